package stream

import (
	"hash/fnv"
	"slices"
)

// minLead is by how many apps an owner must be ahead of a replica for one to
// change hands: with less, the two would only swap places.
const minLead = 2

// loads counts the apps of each owner; replicas without any don't appear.
func loads(owners map[string]string) map[string]int {
	count := map[string]int{}
	for _, replica := range owners {
		if replica != "" {
			count[replica]++
		}
	}
	return count
}

// wanted decides which app a replica should ask for, given each app's owner:
// one of the most loaded owner's, if that is far enough ahead, and one that
// the replica is ready to take. Replicas that ask at the same time mostly
// choose different apps.
func wanted(owners map[string]string, ready map[string]bool, me string) (app string, ask bool) {
	count := loads(owners)
	var most string
	for replica, n := range count {
		if n > count[most] || n == count[most] && replica < most {
			most = replica
		}
	}
	if most == me || count[most]-count[me] < minLead {
		return "", false
	}
	var apps []string
	for a, replica := range owners {
		if replica == most && ready[a] {
			apps = append(apps, a)
		}
	}
	if len(apps) == 0 {
		return "", false
	}
	slices.Sort(apps)
	h := fnv.New32a()
	_, _ = h.Write([]byte(me))
	return apps[int(h.Sum32()%uint32(len(apps)))], true
}
