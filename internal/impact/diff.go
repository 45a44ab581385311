package impact

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/belfry-bridge/belfry/mapping"
)

const mostDifferences = 20 // that one line of the log names

// Changes lists what a reload changes, for its log: what differs between the two
// versions of the file, and the apps whose App Secret is another one in a file
// that the rules name, while they stay as they are.
func Changes(old, src []byte, was, will *mapping.RuleSet) []string {
	changes := rulesDiff(old, src)
	for _, name := range slices.Sorted(maps.Keys(will.Apps)) {
		another := "apps." + name + ".app_secret: another"
		if old := was.Apps[name]; old != nil && old.Secret != will.Apps[name].Secret && !slices.Contains(changes, another) {
			changes = append(changes, another)
		}
	}
	return changes
}

// rulesDiff lists what differs between two versions of a rules file that both
// compiled, by path, with values as they are written: before the environment
// is put in. Of a secret it says only that it is another.
func rulesDiff(old, src []byte) []string {
	was, err := parsed(old)
	will, failed := parsed(src)
	if err != nil || failed != nil {
		return []string{"cannot be told"} // two merge keys in one map, say
	}
	out := differencesAt("", was, will)
	if more := len(out) - mostDifferences; more > 0 {
		out = append(out[:mostDifferences], fmt.Sprintf("and %d more", more))
	}
	return out
}

// parsed reads YAML without the byte order mark with which some editors begin it.
func parsed(src []byte) (v any, err error) {
	err = yaml.Unmarshal(bytes.TrimPrefix(src, []byte("\ufeff")), &v)
	return v, err
}

func differencesAt(path string, was, will any) (out []string) {
	before, both := byName(was)
	after, ok := byName(will)
	switch {
	case reflect.DeepEqual(was, will):
	case both && ok:
		keys := maps.Clone(before)
		maps.Copy(keys, after)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			out = append(out, differencesAt(strings.TrimPrefix(path+"."+key, "."), before[key], after[key])...)
		}
	case strings.HasSuffix(path, ".app_secret"):
		out = append(out, path+": another")
	case will == nil:
		out = append(out, path+": gone")
	case ok && was == nil:
		out = append(out, path+": new")
	case was == nil:
		out = append(out, fmt.Sprintf("%s: %s", path, written(will)))
	default:
		out = append(out, fmt.Sprintf("%s: %s instead of %s", path, written(will), written(was)))
	}
	return out
}

// byName is a map, or the list of rules as a map by their names: one that has
// only moved in the file is no difference.
func byName(v any) (map[string]any, bool) {
	if m, ok := v.(map[string]any); ok {
		return m, true
	}
	list, _ := v.([]any)
	out := map[string]any{}
	for _, element := range list {
		m, _ := element.(map[string]any)
		name := fmt.Sprint(m["name"]) // also of a rule that is called 404
		if _, twice := out[name]; twice || m["name"] == nil {
			return nil, false
		}
		out[name] = m
	}
	return out, len(out) > 0
}

func written(v any) string {
	const most = 80
	if s := []rune(fmt.Sprint(v)); len(s) > most {
		return string(s[:most]) + "…"
	}
	return fmt.Sprint(v)
}
