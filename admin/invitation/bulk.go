package invitation

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
)

// mostInvitations is how many rows one CSV may have.
const mostInvitations = 1000

// invitationColumns are those that a CSV may have; email is the one it must.
var invitationColumns = []string{"email", "display_name", "role", "groups", "expires"}

type inviteManyInput struct {
	Body struct {
		CSV string `json:"csv" maxLength:"900000" doc:"the first row names the columns: email, display_name, role, groups (separated by ;), expires"`
	}
}

// InvitedRow is what became of one row.
type InvitedRow struct {
	Row        int             `json:"row" doc:"its line in the CSV"`
	Email      string          `json:"email"`
	Invitation *MadeInvitation `json:"invitation,omitempty"`
	Status     int             `json:"status" doc:"as a single invitation would be answered"`
	Error      string          `json:"error,omitempty"`
}

// inviteMany invites each row for itself: one that is refused, or that asks for
// more than the caller may give, leaves the others be. A file that is no CSV, or
// has a column that is not known, invites nobody.
func (a *API) inviteMany(ctx context.Context, in *inviteManyInput) (*rest.Body[[]InvitedRow], error) {
	rows, err := parseInvitations(in.Body.CSV)
	if err != nil {
		return nil, a.Problem(err)
	}
	results := make([]InvitedRow, 0, len(rows))
	for _, row := range rows {
		result := InvitedRow{Row: row.line, Email: row.settings.Email, Status: 201}
		if made, err := a.makeInvitation(ctx, row.settings); err != nil {
			result.Status, result.Error = a.problemText(err)
		} else {
			result.Invitation = &made
		}
		results = append(results, result)
	}
	return &rest.Body[[]InvitedRow]{Body: results}, nil
}

// problemText is an error as one row of many tells it.
func (a *API) problemText(err error) (status int, text string) {
	problem := a.Problem(err)
	var known *huma.ErrorModel
	if !errors.As(problem, &known) {
		return 500, problem.Error()
	}
	text = known.Detail
	for _, d := range known.Errors {
		text += ": " + strings.TrimPrefix(d.Location, "body.") + " " + d.Message
	}
	return known.Status, text
}

type invitationRow struct {
	line     int
	settings InvitationSettings
}

func parseInvitations(text string) ([]invitationRow, error) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.TrimLeadingSpace = true
	header, err := r.Read()
	if err != nil {
		return nil, rest.Invalid("csv", "has no row that names the columns")
	}
	for _, column := range header {
		if !slices.Contains(invitationColumns, column) {
			return nil, rest.Invalid("csv", fmt.Sprintf("has the column %q, which is none of %s", column, strings.Join(invitationColumns, ", ")))
		}
	}
	if !slices.Contains(header, "email") {
		return nil, rest.Invalid("csv", "has no column email")
	}
	var rows []invitationRow
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, rest.Invalid("csv", err.Error())
		}
		line, _ := r.FieldPos(0)
		if len(rows) == mostInvitations {
			return nil, rest.Invalid("csv", fmt.Sprintf("has more than %d rows", mostInvitations))
		}
		rows = append(rows, invitationRow{line, invitationOf(header, record)})
	}
}

func invitationOf(header, record []string) InvitationSettings {
	var s InvitationSettings
	for i, column := range header {
		value := strings.TrimSpace(record[i])
		switch column {
		case "email":
			s.Email = value
		case "display_name":
			s.DisplayName = value
		case "role":
			s.Role = value
		case "groups":
			s.Groups = strings.FieldsFunc(value, func(r rune) bool { return r == ';' })
			for i := range s.Groups {
				s.Groups[i] = strings.TrimSpace(s.Groups[i])
			}
		case "expires":
			if value != "" {
				s.Expires = &value
			}
		}
	}
	return s
}
