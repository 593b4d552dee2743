// Package stamp writes moments as the protocols show them, in UTC: a folder of
// many entries has as many of them, and a layout that is read for each costs more
// than the rest of a line.
package stamp

import (
	"net/http"
	"time"
)

// The layouts that are written, as time.Format knows them.
const (
	listed      = "Jan _2 15:04"
	listedOfOld = "Jan _2  2006"
	packed      = "20060102150405"
	internet    = "2006-01-02T15:04:05Z"
)

const (
	months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	days   = "SunMonTueWedThuFriSat"
)

// AppendListed writes t as a line of ls -l shows what has changed lately.
func AppendListed(b []byte, t time.Time) []byte {
	t = t.UTC()
	_, month, day := t.Date()
	hour, minute, _ := t.Clock()
	b = appendDay(b, month, day)
	b = two(append(b, ' '), hour)
	return two(append(b, ':'), minute)
}

// AppendListedOfOld writes t as a line of ls -l shows what has not: by its year.
func AppendListedOfOld(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if !plain(year) {
		return t.AppendFormat(b, listedOfOld)
	}
	return four(append(appendDay(b, month, day), "  "...), year)
}

// AppendPacked writes t as MLSD does (RFC 3659, 2.3).
func AppendPacked(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if !plain(year) {
		return t.AppendFormat(b, packed)
	}
	hour, minute, second := t.Clock()
	b = two(two(four(b, year), int(month)), day)
	return two(two(two(b, hour), minute), second)
}

// AppendInternet writes t as WebDAV's dates of creation are (RFC 3339).
func AppendInternet(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if !plain(year) {
		return t.AppendFormat(b, internet)
	}
	b = two(append(four(b, year), '-'), int(month))
	b = two(append(b, '-'), day)
	return append(appendClock(append(b, 'T'), t), 'Z')
}

// AppendHTTP writes t as HTTP's dates are (RFC 9110, 5.6.7).
func AppendHTTP(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if !plain(year) {
		return t.AppendFormat(b, http.TimeFormat)
	}
	weekday := int(t.Weekday())
	b = append(append(b, days[3*weekday:3*weekday+3]...), ", "...)
	b = append(appendMonth(append(two(b, day), ' '), month), ' ')
	return append(appendClock(append(four(b, year), ' '), t), " GMT"...)
}

// plain reports a year that is four digits long.
func plain(year int) bool { return year >= 0 && year <= 9999 }

func appendDay(b []byte, month time.Month, day int) []byte {
	b = append(appendMonth(b, month), ' ')
	if day < 10 {
		return append(b, ' ', digit(day))
	}
	return two(b, day)
}

func appendMonth(b []byte, month time.Month) []byte { return append(b, months[3*month-3:3*month]...) }

func appendClock(b []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	b = two(append(two(b, hour), ':'), minute)
	return two(append(b, ':'), second)
}

func four(b []byte, n int) []byte { return two(two(b, n/100), n%100) }

func two(b []byte, n int) []byte { return append(b, digit(n/10), digit(n%10)) }

func digit(n int) byte { return '0' + byte(n) }
