-- The second wall between organizations, which PostgreSQL keeps: a transaction sees and writes the rows of the one
-- organization that it has named, whatever its statements forget. The owner of the tables is no exception (FORCE);
-- superusers and roles with BYPASSRLS are, which no policy can change.
--
-- Three things concern rows of an organization that is not known beforehand, or of all. Each has its own narrow way,
-- `onbehalf.across`, in a transaction that names no organization.

ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON data_keys USING (organization = current_setting('onbehalf.organization', true));

ALTER TABLE connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE connections FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON connections USING (organization = current_setting('onbehalf.organization', true));

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON accounts USING (organization = current_setting('onbehalf.organization', true));

ALTER TABLE flows ENABLE ROW LEVEL SECURITY;
ALTER TABLE flows FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON flows USING (organization = current_setting('onbehalf.organization', true));

ALTER TABLE leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE leases FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON leases USING (organization = current_setting('onbehalf.organization', true));

ALTER TABLE faults ENABLE ROW LEVEL SECURITY;
ALTER TABLE faults FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON faults USING (organization = current_setting('onbehalf.organization', true));

-- The plan of refreshes looks when the first account of each connection is due.
CREATE POLICY lanes ON connections FOR SELECT USING (current_setting('onbehalf.across', true) = 'lanes');
CREATE POLICY lanes ON accounts FOR SELECT USING (current_setting('onbehalf.across', true) = 'lanes');

-- A browser knows no organization, but the secret of a flow: whoever says its hash sees that one flow.
CREATE POLICY bearer ON flows FOR SELECT
    USING (current_setting('onbehalf.across', true)
        IN (encode(link_hash, 'hex'), encode(state_hash, 'hex'), encode(nonce_hash, 'hex')));

-- Flows that are over are deleted, whosever they are. What is deleted must be visible.
CREATE POLICY forget_seen ON flows FOR SELECT USING (current_setting('onbehalf.across', true) = 'forget');
CREATE POLICY forget ON flows FOR DELETE USING (current_setting('onbehalf.across', true) = 'forget');
