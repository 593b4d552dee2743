package record

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// full sets every field of a value to something, so that one which is forgotten
// in a copy or on disk is found.
func full(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		full(v.Index(0))
		full(v.Index(1))
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		full(key)
		full(value)
		m.SetMapIndex(key, value)
		v.Set(m)
	case reflect.Struct:
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		case netip.Prefix:
			v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
		case path.Path:
			v.Set(reflect.ValueOf(path.MustParse("/some/where")))
		default:
			for i := range v.NumField() {
				full(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(3)
	}
}

// shares returns where two values have memory in common.
func shares(a, b reflect.Value, at string) []string {
	switch a.Kind() {
	case reflect.Pointer:
		if a.UnsafePointer() == b.UnsafePointer() {
			return []string{at}
		}
		return shares(a.Elem(), b.Elem(), at)
	case reflect.Slice, reflect.Map:
		if a.UnsafePointer() == b.UnsafePointer() {
			return []string{at}
		}
		if a.Kind() == reflect.Slice {
			return shares(a.Index(0), b.Index(0), at+"[0]")
		}
	case reflect.Struct:
		if a.Type().PkgPath() == "time" || a.Type().PkgPath() == "net/netip" {
			return nil
		}
		var all []string
		for i := range a.NumField() {
			all = append(all, shares(a.Field(i), b.Field(i), at+"."+a.Type().Field(i).Name)...)
		}
		return all
	}
	return nil
}

func TestCloneIsWholeAndSharesNothing(t *testing.T) {
	var a Account
	var g Group
	var s Site
	for _, v := range []any{&a, &g, &s} {
		full(reflect.ValueOf(v).Elem())
	}
	ca, cg, cs := a.Clone(), g.Clone(), s.Clone()
	for name, pair := range map[string][2]any{"account": {a, ca}, "group": {g, cg}, "site": {s, cs}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("the clone of the %s is another", name)
		}
		if at := shares(reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1]), name); len(at) > 0 {
			t.Errorf("the clone shares %v", at)
		}
	}
}

func TestRecordsComeBackWhole(t *testing.T) {
	var a Account
	var g Group
	var s Site
	for _, v := range []any{&a, &g, &s} {
		full(reflect.ValueOf(v).Elem())
	}
	back := func(v any) state.Record {
		p, err := typed.Put("account/x", v)
		if err != nil {
			t.Fatal(err)
		}
		return state.Record{Name: p.Name, Value: p.Value, Revision: a.Revision}
	}
	gotA, errA := DecodeAccount(back(a))
	gotG, errG := DecodeGroup(back(g))
	gotS, errS := DecodeSite(back(s))
	if err := errors.Join(errA, errG, errS); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*gotA, a) || !reflect.DeepEqual(*gotG, g) || !reflect.DeepEqual(*gotS, s) {
		t.Errorf("got\n%+v\n%+v\n%+v\nwant\n%+v\n%+v\n%+v", *gotA, *gotG, *gotS, a, g, s)
	}
}
