# Builds the page, then the binary, then an image that holds the binary, DuckDB's library and nothing of the tool chain.
# docker build -t tidings .

FROM node:20-bookworm-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
COPY crates/api/openapi.json /src/crates/api/openapi.json
RUN npm run build

FROM rust:1.95-bookworm AS binary
RUN apt-get update \
 && apt-get install -y --no-install-recommends libclang-dev npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY .config/fetch-duckdb.sh .config/fetch-duckdb.sh
RUN .config/fetch-duckdb.sh
COPY Cargo.toml Cargo.lock ./
COPY .cargo/ .cargo/
COPY .sqlx/ .sqlx/
COPY migrations/ migrations/
COPY crates/ crates/
COPY --from=page /src/web/dist/ web/dist/
# The cache holds compiled dependencies between builds; what the image needs is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    SQLX_OFFLINE=true cargo build --release --locked -p app \
 && mkdir /out \
 && cp target/release/tidings /out/ \
 && cp -L target/release/libduckdb.so /out/

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl fonts-noto-cjk \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/tidings --create-home tidings
# The binary looks for the library beside itself.
COPY --from=binary /out/ /opt/tidings/
RUN ln -s /opt/tidings/tidings /usr/local/bin/tidings
USER tidings
ENV TIDINGS_DATA_DIR=/var/lib/tidings \
    TIDINGS_LISTEN=0.0.0.0:8080 \
    TIDINGS_LOG_FORMAT=json
VOLUME /var/lib/tidings
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD curl --fail --silent http://127.0.0.1:8080/readyz || exit 1
# SIGTERM hands running work back before it ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tidings"]
CMD ["up"]
