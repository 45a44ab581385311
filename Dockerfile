# Belfry as one static binary, for any orchestrator.
#
#   docker build -t belfry .
#
# cmd/belfry/compose_test.go builds what is copied here with the command below.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY embed.go rules.yaml ./
COPY mapping mapping
COPY bridge bridge
COPY internal internal
COPY cmd cmd
# timetzdata: the zones of rules.yaml are known on every base image.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags=-s -o /out/belfry ./cmd/belfry
RUN mkdir -p /out/data

# CA certificates and nothing that could be run beside Belfry.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/belfry /usr/local/bin/belfry
COPY --from=build --chown=65532:65532 /out/data /var/lib/belfry
USER 65532:65532
ENV BELFRY_DATA=/var/lib/belfry BELFRY_HTTP=:8080 BELFRY_RULES=/etc/belfry/rules.yaml
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/belfry"]
CMD ["run"]
