# Short names for what docs/CONTRIBUTING.md says in full.
.PHONY: build test lint demo alerts ci

build:
	CGO_ENABLED=0 go build -trimpath -tags timetzdata -o dist/belfry ./cmd/belfry

test:
	go test ./...

lint:
	golangci-lint run ./...

demo:
	go run ./cmd/belfry demo

alerts: # with the promtool of Prometheus
	promtool check rules docs/monitoring/alerts.yml
	promtool test rules docs/monitoring/alerts_test.yml

ci:
	.ci/run
