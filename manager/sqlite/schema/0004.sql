-- Whether a member or an operator invited: a member's invitation ends with what let the member invite.

ALTER TABLE invitation ADD COLUMN on_behalf_of TEXT NOT NULL DEFAULT 'portal';
