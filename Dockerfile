# One image for all of Clonegate's programs: `docker build .`, or any other builder. `make image` does it without Docker and without a
# registry, on bases made for that. Run a program with `/app/<name>.mjs` as the container's argument.

ARG BUILD_IMAGE=docker.io/library/node:24-trixie-slim
# Of the same Debian release as the image that runs: its libraries have to fit the C library there.
ARG TOOLS_IMAGE=docker.io/library/debian:trixie-slim
ARG RUN_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --ignore-scripts --prefer-offline --loglevel=error
COPY . .
RUN node image/main.ts /app

FROM ${TOOLS_IMAGE} AS tools
RUN apt-get update && apt-get install -y --no-install-recommends qemu-utils rsync
COPY image/tools.sh /
RUN sh /tools.sh /tools /usr/bin/qemu-img /usr/bin/qemu-nbd /usr/bin/rsync /usr/bin/cp /usr/bin/sync /usr/bin/xargs

FROM ${RUN_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Clonegate" \
      org.opencontainers.image.description="Decides who may clone which KubeVirt disk, and how, and carries the clone out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=tools /tools/ /
COPY --from=build /src/LICENSE /app/
COPY --from=build /app/ /app/
# The young generation may take 3 × 4 MiB instead of 3 × 16 (DECISIONS.md, "What the webhook's memory is made of"), and the old one what a
# container has and not what V8 thinks that a machine has. All threads share one heap of malloc, so that what one has freed serves the others,
# and what is free at its end goes back to the system (DECISIONS.md, "What both programs hold in a large cluster").
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    NODE_OPTIONS="--max-semi-space-size=4 --max-old-space-size-percentage=65"
WORKDIR /app
# As a number, for a kubelet that has to see that this is not root. Any other will do as well.
USER 65532:65532
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["/app/webhook.mjs", "--help"]
