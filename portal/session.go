package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// What a session holds. Never a key, never a password.
const (
	sessionEmail    = "email"
	sessionPassword = "password" // a mark of the password hash: a new password ends older sessions
	sessionPartner  = "partner"  // the one chosen; membership is checked on every page
	sessionNotice   = "notice"   // what to say once on the next page
)

// sessionLifetime ends a login however much it is used.
const sessionLifetime = 12 * time.Hour

// passwordMark tells one password of an account from the next without being of use to guess it.
func passwordMark(account *manager.Account) string {
	sum := sha256.Sum256([]byte("session\x00" + account.PasswordHash))
	return hex.EncodeToString(sum[:8])
}
