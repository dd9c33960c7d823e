//! The order of names in a zone (RFC 4034 §6.1), as keys of a map.

/// `name` with its labels from the right, parted by a zero byte: keys in byte order are names in canonical order,
/// and everything under a name follows it directly.
#[must_use]
pub fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for (index, label) in name.rsplit('.').enumerate() {
        if index > 0 {
            key.push('\0');
        }
        key.push_str(label);
    }
    key
}

/// The name of a key.
#[must_use]
pub fn name(key: &str) -> String {
    let labels: Vec<&str> = key.rsplit('\0').collect();
    labels.join(".")
}

/// Whether `name` is `ancestor` or under it.
#[must_use]
pub fn is_within(name: &str, ancestor: &str) -> bool {
    ancestor.is_empty()
        || name == ancestor
        || name.strip_suffix(ancestor).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_rfc_4034_section_6_1_sorts_names() {
        let sorted =
            ["example", "a.example", "yljkjljk.a.example", "z.a.example", "zabc.a.example", "a-b.example"];
        let keys: Vec<String> = sorted.iter().map(|name| key(name)).collect();
        assert!(keys.is_sorted());
        assert_eq!(keys.iter().map(|key| name(key)).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn a_name_is_within_itself_and_its_ancestors_alone() {
        assert!(is_within("a.example", "example") && is_within("example", "example") && is_within("x", ""));
        assert!(!is_within("aexample", "example") && !is_within("example", "a.example"));
    }
}
