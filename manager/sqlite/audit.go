package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// AddAudit implements manager.AuditStore.
func (s *Store) AddAudit(ctx context.Context, entries []manager.AuditEntry) error {
	return s.write(ctx, "append to the audit log", func(tx transaction) error { return addAudit(ctx, tx, entries) })
}

func addAudit(ctx context.Context, tx transaction, entries []manager.AuditEntry) error {
	for _, e := range entries {
		_, err := tx.exec(ctx, `
INSERT INTO audit (time, actor, actor_kind, on_behalf_of, address, request_id, action, kind, partner, name, product,
                   before, after, policy_version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Time.UnixMicro(), e.Actor, e.ActorKind, e.OnBehalfOf, e.Address, e.RequestID, e.Action, e.Kind, e.Partner, e.Name,
			e.Product, notNull(e.Before), notNull(e.After), e.PolicyVersion)
		if err != nil {
			return err
		}
	}
	return nil
}

// Audit implements manager.AuditStore.
func (s *Store) Audit(ctx context.Context, q manager.AuditQuery) (*manager.AuditPage, error) {
	if q.Limit < 1 {
		q.Limit = defaultPage
	}
	query, args, err := auditQuery(q)
	if err != nil {
		return nil, err
	}
	page := &manager.AuditPage{}
	var last position
	err = s.read(ctx, "list the audit log", func(tx transaction) error {
		return tx.each(ctx, query, args, func(rows *sql.Rows) error {
			if len(page.Items) == q.Limit { // one more than asked for tells that there is a next page
				page.Next = last.cursor()
				return nil
			}
			e, at, err := scanAudit(rows)
			page.Items, last = append(page.Items, e), at
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func auditQuery(q manager.AuditQuery) (string, []any, error) {
	conditions, args := []string{"TRUE"}, []any(nil)
	where := func(given bool, condition string, values ...any) {
		if given {
			conditions, args = append(conditions, condition), append(args, values...)
		}
	}
	where(q.Actor != "", "actor = ?", q.Actor)
	where(q.Kind != "", "kind = ?", q.Kind)
	where(q.Partner != "", "partner = ?", q.Partner)
	where(q.Name != "", "name = ?", q.Name)
	where(!q.From.IsZero(), "time >= ?", q.From.UnixMicro())
	where(!q.To.IsZero(), "time < ?", q.To.UnixMicro())
	if q.Products != nil {
		condition, values := among("product", q.Products)
		where(true, condition, values...)
	}
	if q.Cursor != "" {
		after, err := parseCursor(q.Cursor)
		if err != nil {
			return "", nil, err
		}
		where(true, "(time, id) < (?, ?)", after.time, after.id)
	}
	return `
SELECT id, time, actor, actor_kind, on_behalf_of, address, request_id, action, kind, partner, name, product, before, after,
       policy_version
FROM audit WHERE ` + strings.Join(conditions, " AND ") + `
ORDER BY time DESC, id DESC LIMIT ?`, append(args, q.Limit+1), nil
}

func scanAudit(rows *sql.Rows) (e manager.AuditEntry, at position, err error) {
	err = rows.Scan(&at.id, &at.time, &e.Actor, &e.ActorKind, &e.OnBehalfOf, &e.Address, &e.RequestID, &e.Action, &e.Kind,
		&e.Partner, &e.Name, &e.Product, &e.Before, &e.After, &e.PolicyVersion)
	e.Time = time.UnixMicro(at.time).UTC()
	return e, at, err
}
