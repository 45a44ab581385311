//go:build !race

package mapping_test

const raceDetector = false
