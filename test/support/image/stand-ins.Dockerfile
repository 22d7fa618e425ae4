# Stand-ins for the images that the Dockerfile names, for where no registry can be reached: Debian's packages and npm's Node.

# For node:24-trixie-slim: Node and npm at the places where that has them.
FROM scratch AS build
ADD debian.tar /
COPY ca-certificates.crt /etc/ssl/certs/
COPY node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt

# For debian:trixie-slim.
FROM scratch AS tools
ADD debian.tar /
COPY ca-certificates.crt /etc/ssl/certs/
CMD ["/bin/sh"]

# For distroless nodejs24-debian13:nonroot: no shell and no package manager, Node at its place. Its user and entry point are left out, so that
# those of the Dockerfile are what is seen.
FROM scratch AS run
ADD bare.tar /
COPY node /nodejs/bin/
