-- The wall between organizations (0004) around records, with two ways across.

ALTER TABLE records ENABLE ROW LEVEL SECURITY;
ALTER TABLE records FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON records USING (organization = current_setting('onbehalf.organization', true));

-- Their chain is one for all organizations: whoever links them, or checks the links, sees every row.
CREATE POLICY chain ON records FOR SELECT USING (current_setting('onbehalf.across', true) = 'chain');
