// Package contract writes down what Belfry promises to those who read its
// messages: a JSON Schema for every type of result, and an AsyncAPI document
// of all its subjects. Both are made from the Go types that are published,
// descriptions from their comments, so they can't disagree with the program.
//
// The files are in docs/contract. A test fails when they are not up to date,
// checks them with validators that know nothing of Belfry, and checks the
// examples against them:
//
//	go test ./internal/contract -update
package contract
