package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
)

// Key is a fresh key of the demo.
type Key struct {
	Variable                          string // shell variable under which it is shown
	Partner, Application, Environment string
	ID, Key                           string
}

// fileActor applies the estate as a file would.
var fileActor = manager.Actor{Name: "demo", Owner: manager.OwnerFile}

// fill brings estate, passwords and keys into the store and returns the policy
// version that has all of them. What is there already stays as it is: people
// may have changed it.
func (d *demo) fill(ctx context.Context) (policyVersion int64, err error) {
	estate, err := documents.ReadFolder(d.scene.estate, d.scene.folder)
	if err != nil {
		return 0, err
	}
	if err := d.applyMissing(ctx, documents.Resources(estate)); err != nil {
		return 0, fmt.Errorf("apply %s: %w", d.scene.folder, err)
	}
	if err := d.setPasswords(ctx, documents.Resources(estate)); err != nil {
		return 0, fmt.Errorf("set the demo's passwords: %w", err)
	}
	if err := d.replaceKeys(ctx); err != nil {
		return 0, fmt.Errorf("make the demo's keys: %w", err)
	}
	return d.service().PolicyVersion(), nil
}

func (d *demo) applyMissing(ctx context.Context, estate []manager.Resource) error {
	var missing []manager.Resource
	for _, r := range estate {
		stored, err := d.service().Resource(ctx, r.Ref())
		if err != nil && manager.CodeOf(err) != manager.CodeNotFound {
			return err
		}
		if environment, ok := r.(*manager.Environment); ok {
			if err := d.placeEnvironment(ctx, environment, stored); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			missing = append(missing, r)
		}
	}
	if missing == nil {
		return nil
	}
	_, err := d.service().Apply(ctx, fileActor, missing, manager.ApplyOptions{})
	return err
}

// placeEnvironment says where the gateway is in this run, unless somebody
// has named another machine.
func (d *demo) placeEnvironment(ctx context.Context, sample *manager.Environment, stored manager.Resource) error {
	environment := *sample
	if kept, ok := stored.(*manager.Environment); ok && kept != nil {
		if kept.Spec.Gateway != "" && !strings.HasPrefix(kept.Spec.Gateway, "http://127.0.0.1:") {
			return nil
		}
		if kept.Spec.Title != "" {
			environment.Spec.Title = kept.Spec.Title
		}
	}
	environment.Spec.Gateway = d.facts.GatewayURL
	_, _, err := d.service().Put(ctx, fileActor, &environment, manager.AnyRevision)
	return err
}

// setPasswords leaves a password alone that still works.
func (d *demo) setPasswords(ctx context.Context, estate []manager.Resource) error {
	d.facts.Passwords = map[string]string{}
	for _, r := range estate {
		partner, ok := r.(*manager.Partner)
		if !ok {
			continue
		}
		for _, m := range partner.Spec.Members {
			if err := d.setPassword(ctx, partner.Metadata.Name, m); err != nil {
				return err
			}
		}
	}
	return d.state.save()
}

func (d *demo) setPassword(ctx context.Context, partner string, m manager.MemberSeed) error {
	password := d.state.password(m.Email)
	d.facts.Passwords[m.Email] = password
	if login, err := d.service().Authenticate(ctx, m.Email, password); err == nil && isMember(login, partner) {
		return nil
	}
	err := d.service().SetPassword(ctx, fileActor, partner, m.Email, password)
	if manager.CodeOf(err) == manager.CodeNotFound { // somebody has removed the member
		if err = d.service().InviteMember(ctx, fileActor, partner, m.Email, m.Role); err == nil {
			err = d.service().SetPassword(ctx, fileActor, partner, m.Email, password)
		}
	}
	return err
}

func isMember(login *manager.Login, partner string) bool {
	for _, m := range login.Memberships {
		if m.Partner == partner {
			return true
		}
	}
	return false
}

// replaceKeys makes fresh keys, since none can be shown twice, and revokes
// those of the run before. The new ids are kept before anything can fail.
func (d *demo) replaceKeys(ctx context.Context) error {
	old := d.state.Keys
	for _, key := range d.scene.keys {
		made, err := d.service().CreateCredential(ctx, manager.Actor{Name: "demo", Owner: manager.OwnerAPI},
			key.Partner, key.Application, key.Environment, 0)
		if manager.CodeOf(err) == manager.CodeNotFound {
			continue // somebody has removed the application
		}
		if err != nil {
			return err
		}
		key.ID, key.Key = made.ID, made.Key
		d.facts.Keys = append(d.facts.Keys, key)
		d.state.Keys = append(d.state.Keys, made.ID)
		if err := d.state.save(); err != nil {
			return err
		}
	}
	return d.revoke(ctx, old)
}

func (d *demo) revoke(ctx context.Context, ids []string) error {
	var errs []error
	for _, id := range ids {
		_, err := d.service().RevokeCredential(ctx, manager.Actor{Name: "demo", Owner: manager.OwnerAPI}, id)
		if err != nil && manager.CodeOf(err) != manager.CodeNotFound && manager.CodeOf(err) != manager.CodeConflict {
			errs = append(errs, err)
		}
	}
	if errs == nil {
		d.state.Keys = d.state.Keys[len(ids):]
	}
	return errors.Join(append(errs, d.state.save())...)
}
