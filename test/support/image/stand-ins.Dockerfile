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

# For distroless nodejs24-debian13:nonroot: no shell and no package manager, Node at its place.
FROM scratch AS run
ADD bare.tar /
COPY node /nodejs/bin/
WORKDIR /home/nonroot
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node"]
