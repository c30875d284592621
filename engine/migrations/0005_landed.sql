-- Of a load by a landing zone: the file that it is, and why it was refused, as JSON.
ALTER TABLE epoch_flows ADD COLUMN landed TEXT;
