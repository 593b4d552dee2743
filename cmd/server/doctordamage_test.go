package server

import (
	"strings"
	"testing"
)

type damagedAt []string

func (d damagedAt) Damaged() []string { return d }

func TestDoctorNamesDamagedFilesOfTheTrail(t *testing.T) {
	found := damageFindings(damagedAt{"events/00000000000000000001.log at byte 77"})
	if len(found) != 1 || found[0].Level != levelProblem || !strings.Contains(found[0].Detail, "1.log at byte 77") {
		t.Errorf("found %+v", found)
	}
	if found := damageFindings(damagedAt(nil)); found != nil {
		t.Errorf("found %+v where nothing is damaged", found)
	}
}
