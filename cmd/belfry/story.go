package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// storyEvent is one event of the demo.
type storyEvent struct {
	at      time.Duration // since the story began
	subject string
	id      string // CloudEvents id; empty: plain JSON
	data    map[string]any
	raw     string // instead of all that: bytes that nobody can decode
	said    string // what it means, for the audience
}

// payload is the event as a system would publish it: as a CloudEvent, or as
// plain JSON, both of which Belfry reads.
func (e storyEvent) payload() []byte {
	if e.raw != "" {
		return []byte(e.raw)
	}
	body := any(e.data)
	if e.id != "" {
		body = map[string]any{
			"specversion": "1.0", "id": e.id, "type": "com.example." + e.subject, "source": "/campus/north",
			"datacontenttype": "application/json", "data": e.data,
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("the story's own event %s cannot be encoded: %v", e.subject, err)) // only literals are in it
	}
	return b
}

// story is a school morning in twenty seconds: a teacher calls in sick, one
// lesson is saved, fees fall due, the menu changes, a sensor stammers, and
// then a water pipe bursts.
func story(now time.Time) []storyEvent {
	var s []storyEvent
	add := func(at float64, e storyEvent) {
		e.at = time.Duration(at * float64(time.Second))
		s = append(s, e)
	}
	lesson := func(at float64, id int, course string, in time.Duration, note string) {
		starts := now.Add(in).Truncate(5 * time.Minute)
		add(at, storyEvent{
			subject: "school.lesson.cancelled", id: fmt.Sprintf("cancel-%d-%d", id, int(at*10)),
			data: map[string]any{"lesson_id": id, "course": course, "campus": "north", "notice_minutes": int(in.Minutes()), "starts_at": starts.Format(time.RFC3339)},
			said: fmt.Sprintf("%s in %d minutes is cancelled%s", course, int(in.Minutes()), note),
		})
	}
	fee := func(at float64, invoice, title string) {
		due := now.AddDate(0, 0, 14)
		add(at, storyEvent{
			subject: "school.fees.due",
			data:    map[string]any{"invoice": invoice, "title": title, "due": due.Format(time.RFC3339)},
			said:    fmt.Sprintf("fee %s: %s", invoice, title),
		})
	}
	note := func(at float64, subject, said string, data map[string]any) {
		add(at, storyEvent{subject: subject, data: data, said: said})
	}

	fee(0.2, "F-101", "Swimming lessons")
	fee(0.5, "F-102", "Choir tour")
	note(0.8, "school.menu.changed", "Monday's menu: vegetable curry", map[string]any{"day": "Monday", "dish": "vegetable curry"})
	note(1.2, "school.attendance.taken", "attendance of 5A (no rule asks for it)", map[string]any{"class": "5A", "present": 27})
	lesson(2.0, 11, "Maths 5A", 35*time.Minute, "")
	lesson(2.4, 12, "Physics 6B", 80*time.Minute, "")
	lesson(2.8, 13, "Maths 7C", 110*time.Minute, "")
	note(3.2, "school.library.overdue", "a book is 3 days late (the rule wants more than 7)", map[string]any{"loan_id": "L-1", "title": "Atlas", "days": 3})
	lesson(3.6, 11, "Maths 5A", 35*time.Minute, " (again: it is told once)")
	note(4.0, "school.library.overdue", "a book is 12 days late", map[string]any{"loan_id": "L-2", "title": "Moby-Dick", "days": 12})
	lesson(4.4, 14, "Biology 8A", 50*time.Minute, "")
	note(5.0, "school.lesson.restored", "a substitute was found: Physics 6B takes place", map[string]any{"lesson_id": 12})
	note(5.4, "school.lesson.substitute", "Ms Tan takes Physics 6B", map[string]any{"text": "Ms Tan takes Physics 6B at short notice"})
	fee(6.0, "F-103", "School trip to the zoo")
	lesson(6.5, 15, "Music 4D", 95*time.Minute, "")
	note(7.0, "school.attendance.taken", "attendance of 6B", map[string]any{"class": "6B", "present": 24})
	add(7.6, storyEvent{subject: "school.lesson.cancelled", raw: `{"lesson_id": 16, "course": "Art`, said: "an event cut in half by a broken gateway"})
	note(8.2, "school.menu.changed", "Tuesday's menu: fish", map[string]any{"day": "Tuesday", "dish": "fish"})
	fee(8.8, "F-101", "Swimming lessons, corrected") // replaces the first
	note(9.5, "school.staff.notice", "staff meeting moves to 16:00", map[string]any{"text": "The staff meeting moves to 16:00"})
	fee(10.2, "F-104", "Exam fee")
	note(10.8, "school.menu.changed", "Tuesday's menu again: noodles", map[string]any{"day": "Tuesday", "dish": "noodles"})
	note(11.5, "school.library.overdue", "a book is 30 days late", map[string]any{"loan_id": "L-3", "title": "Dune", "days": 30})
	lesson(12.4, 21, "History 9B", 26*time.Hour, "")
	note(13.2, "school.attendance.taken", "attendance of 7C", map[string]any{"class": "7C", "present": 29})
	fee(14.0, "F-105", "Instrument rental")
	note(15.0, "school.closure", "a water pipe bursts: the north campus closes", map[string]any{"campus": "north", "reason": "a water pipe burst; please collect your children by noon"})
	note(15.4, "school.closure", "the same, from the second control room", map[string]any{"campus": "north", "reason": "a water pipe burst; please collect your children by noon"})
	lesson(16.2, 22, "Chess club", 5*time.Hour, "")
	fee(17.5, "F-106", "Yearbook")
	note(19.0, "school.staff.notice", "all staff to the gym", map[string]any{"text": "All staff of the north campus: please come to the gym"})
	return s
}
