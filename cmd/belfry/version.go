package main

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime/debug"
)

const noVersion = "(devel)"

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return noVersion
	}
	return info.Main.Version
}

// buildOf is the version of a program, and the checksum of its file where it has
// none, as in an image: by it operators see which replicas have another build.
func buildOf(version, program string) string {
	if version != noVersion {
		return version
	}
	f, err := os.Open(program)
	if err != nil {
		return version
	}
	defer func() { _ = f.Close() }()
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, f); err != nil {
		return version
	}
	return fmt.Sprintf("%s %08x", version, sum.Sum32())
}
