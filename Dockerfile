# docker build -t fanfold . && docker run -p 127.0.0.1:1234:1234 -v fanfold:/data fanfold

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-s -o /out/fanfold ./cmd/fanfold
RUN mkdir /out/data

FROM scratch
COPY --from=build /out/fanfold /fanfold
# A new volume takes the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 1234
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/fanfold", "health"]
# --open: inside the container the hub must listen on all of its addresses. Who
# may reach the port is decided where it is published.
ENTRYPOINT ["/fanfold", "serve", "--listen", "0.0.0.0:1234", "--open", "--data", "/data"]
