package rest

import "time"

// Key is a credential: never the key itself or its digest.
type Key struct {
	ID          string     `json:"id"`
	Partner     string     `json:"partner"`
	Application string     `json:"application"`
	Environment string     `json:"environment"`
	State       string     `json:"state"`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
	RotatedTo   string     `json:"rotated_to,omitempty"`
	RotatedFrom string     `json:"rotated_from,omitempty"`
}

// KeyRequest asks for a key; the answer is a manager.NewKey.
type KeyRequest struct {
	Environment string `json:"environment"`
	ExpiresIn   string `json:"expires_in,omitempty"` // such as 720h or 30d; empty: never
}

// Rotation asks for the key that replaces another; the answer is a manager.NewKey.
type Rotation struct {
	Overlap string `json:"overlap,omitempty"` // for how long the old one stays valid; empty: 24h
}

// Import brings keys that were made elsewhere; the answer is a manager.ImportResult.
type Import struct {
	Credentials []ImportedKey `json:"credentials"`
}

// ImportedKey is one key of an Import.
type ImportedKey struct {
	ID          string     `json:"id,omitempty"`
	Partner     string     `json:"partner"`
	Application string     `json:"application"`
	Environment string     `json:"environment"`
	SHA256      string     `json:"sha256"` // in hexadecimal
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
}
