-- Who may read a kept mail is decided by its delivery, which has its id; nobody asks for an address's mails any more. So every
-- reader goes by the primary key, and the index was kept up for nothing with each mail.
DROP INDEX outbox_mail_recipient_idx;
