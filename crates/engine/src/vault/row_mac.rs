//! Row MACs: the plain columns that security hangs on, signed.
//!
//! Whoever can write to the database could otherwise point a connection's token URL at a host of their own and be sent
//! the next refresh token (A92). So a row's codec signs every column that a decision rests on, and reads no row whose
//! MAC is wrong.

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::encoding;
use crate::{Error, Result, time::Timestamp};

/// A column's value. A column that is absent, empty text, no bytes and zero are four different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column<'a> {
    /// NULL.
    Absent,
    /// A number.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// Bytes, such as a sealed cell.
    Bytes(&'a [u8]),
}

impl From<i64> for Column<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Timestamp> for Column<'_> {
    fn from(moment: Timestamp) -> Self {
        Self::Integer(moment.as_millis())
    }
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Column<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, T: Into<Column<'a>>> From<Option<T>> for Column<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// The MAC of a row: of its table, its id and its columns in the order that the table's codec fixes.
pub(super) fn sign(key: &hmac::Key, table: &str, row: &str, columns: &[Column<'_>]) -> [u8; 32] {
    let tag = hmac::sign(key, &encode(table, row, columns));
    tag.as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes")
}

/// Refuses a row whose MAC is not `mac`; compares in constant time.
pub(super) fn verify(key: &hmac::Key, table: &str, row: &str, columns: &[Column<'_>], mac: &[u8]) -> Result<()> {
    hmac::verify(key, &encode(table, row, columns), mac)
        .map_err(|_| Error::IntegrityFailed { what: format!("a row of `{table}`") })
}

/// The key that signs rows.
pub(super) fn key(bytes: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(HMAC_SHA256, bytes)
}

fn encode(table: &str, row: &str, columns: &[Column<'_>]) -> Vec<u8> {
    let mut encoded = encoding::join(&[b"onbehalf/v1/row", table.as_bytes(), row.as_bytes()]);
    for column in columns {
        match column {
            Column::Absent => encoded.push(0),
            Column::Integer(number) => {
                encoded.push(1);
                encoded.extend_from_slice(&number.to_be_bytes());
            }
            Column::Text(text) => {
                encoded.push(2);
                encoding::push(&mut encoded, text.as_bytes());
            }
            Column::Bytes(bytes) => {
                encoded.push(3);
                encoding::push(&mut encoded, bytes);
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    enum Value {
        Absent,
        Integer(i64),
        Text(String),
        Bytes(Vec<u8>),
    }

    impl Value {
        fn column(&self) -> Column<'_> {
            match self {
                Self::Absent => Column::Absent,
                Self::Integer(number) => Column::Integer(*number),
                Self::Text(text) => Column::Text(text),
                Self::Bytes(bytes) => Column::Bytes(bytes),
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Absent),
            any::<i64>().prop_map(Value::Integer),
            ".{0,5}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        ]
    }

    fn row() -> impl Strategy<Value = (String, String, Vec<Value>)> {
        (".{0,5}", ".{0,5}", prop::collection::vec(value(), 0..5))
    }

    /// The row that was encoded.
    fn decode(mut encoded: &[u8]) -> (String, String, Vec<Value>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
        assert_eq!(encoding::take(&mut encoded), b"onbehalf/v1/row");
        let (table, row) = (text(encoding::take(&mut encoded)), text(encoding::take(&mut encoded)));
        let mut values = Vec::new();
        while let Some(kind) = encoded.split_off_first() {
            values.push(match kind {
                0 => Value::Absent,
                1 => Value::Integer(i64::from_be_bytes(encoded.split_off(..8).unwrap().try_into().unwrap())),
                2 => Value::Text(text(encoding::take(&mut encoded))),
                3 => Value::Bytes(encoding::take(&mut encoded).into()),
                kind => panic!("there is no column of kind {kind}"),
            });
        }
        (table, row, values)
    }

    proptest! {
        // What can be read back in one way only stands for one row only: this holds for all pairs of rows at once.
        #[test]
        fn no_two_rows_are_encoded_alike((table, row, values) in row()) {
            let encoded = encode(&table, &row, &values.iter().map(Value::column).collect::<Vec<_>>());
            prop_assert_eq!(decode(&encoded), (table, row, values));
        }

        // A92: whatever one column is changed to, the row is refused.
        #[test]
        fn a_row_with_one_other_column_is_refused(
            (table, row, values) in row(),
            at in any::<prop::sample::Index>(),
            other in value(),
        ) {
            prop_assume!(!values.is_empty());
            let mut edited = values.clone();
            let at = at.index(values.len());
            prop_assume!(edited[at] != other);
            edited[at] = other;
            let columns: Vec<_> = values.iter().map(Value::column).collect();
            let edited: Vec<_> = edited.iter().map(Value::column).collect();

            let key = key(&[7; 32]);
            let mac = sign(&key, &table, &row, &columns);
            prop_assert!(verify(&key, &table, &row, &columns, &mac).is_ok());
            prop_assert_eq!(verify(&key, &table, &row, &edited, &mac).unwrap_err().code(), "INTEGRITY_FAILED");
        }
    }

    #[test]
    fn nothing_empty_zero_and_absent_are_all_different() {
        let values = [Column::Absent, Column::Integer(0), Column::Text(""), Column::Bytes(b"")];
        let mut encodings: Vec<_> = values.iter().map(|value| encode("t", "r", &[*value])).collect();
        encodings.push(encode("t", "r", &[]));
        encodings.sort();
        encodings.dedup();
        assert_eq!(encodings.len(), 5);
    }

    #[test]
    fn a_mac_of_another_length_key_table_or_row_is_refused() {
        let (mine, columns) = (key(&[7; 32]), [Column::Text("https://provider.example/token")]);
        let mac = sign(&mine, "connections", "conn_1", &columns);
        assert!(verify(&mine, "connections", "conn_1", &columns, &mac).is_ok());
        assert!(verify(&mine, "connections", "conn_1", &columns, &mac[..31]).is_err());
        assert!(verify(&mine, "connections", "conn_1", &columns, &[]).is_err());
        assert!(verify(&mine, "connections", "conn_2", &columns, &mac).is_err());
        assert!(verify(&mine, "accounts", "conn_1", &columns, &mac).is_err());
        assert!(verify(&key(&[8; 32]), "connections", "conn_1", &columns, &mac).is_err());
    }
}
