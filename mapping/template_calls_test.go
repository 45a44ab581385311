package mapping

import (
	"slices"
	"testing"
)

func TestEveryFunctionOfTemplatesMayBeCalled(t *testing.T) {
	for name := range (&execution{}).functions() {
		if name != tickName && !slices.Contains(functionNames(), name) {
			t.Errorf("nobody may call %s", name)
		}
	}
}
