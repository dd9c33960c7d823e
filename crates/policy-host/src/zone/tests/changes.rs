use std::path::Path;

use RecordType as T;
use tlsward_engine::ports::publish::{Applied, RecordsFailure};

use super::*;

async fn refused(records: &ZoneRecords, domain: &str, sets: Vec<RecordSet>) -> String {
    match records.apply(domain, sets).await {
        Err(RecordsFailure::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_does_not_belong_into_the_zone_is_refused_whole_and_changes_nothing() {
    let zone = zone(None).await;
    let records = ZoneRecords::new(Arc::clone(&zone));
    let before = zone.serial();
    let good = txt("_mta-sts.example.org.sts.example", "v=STSv1; id=2;");
    for (set, part) in [
        (txt("_mta-sts.example.org", "x"), "outside the embedded zone sts.example"),
        (txt("_mta-sts.example.org.xsts.example", "x"), "outside"),
        (txt("_mta-sts.example.com.sts.example", "x"), "not below example.org.sts.example"),
        (txt("org.sts.example", "x"), "not below"),
        (txt("*.example.org.sts.example", "x"), "not a name"),
        (txt("mta-sts.example.org.sts.example", "x"), "cannot have a CNAME record and others"),
        (txt(&format!("{}.example.org.sts.example", ["a"; 90].join(".")), "x"), "longer than"),
        (RecordSet { kind: Kind::A, ..txt("a.example.org.sts.example", "x") }, "another type"),
    ] {
        let text = refused(&records, "example.org", vec![good.clone(), set]).await;
        assert!(text.contains(part), "{text}");
    }
    assert!(
        refused(&records, "policy", vec![txt("policy.sts.example", "x")]).await.contains("host of the zone")
    );
    assert!(refused(&records, "", vec![txt("sts.example", "x")]).await.contains("not a domain"));
    let many = (0..40).map(|n| txt(&format!("n{n}.example.org.sts.example"), &"x".repeat(2000))).collect();
    assert!(refused(&records, "example.org", many).await.contains("octets of records"));
    assert_eq!(zone.serial(), before);
    assert_eq!(zone.records("example.org").len(), 3);
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_moves_the_serial_if_it_is_one() {
    let zone = zone(None).await;
    let records = ZoneRecords::new(Arc::clone(&zone));
    let serial = zone.serial();
    assert_eq!(records.apply("Example.ORG.", usual("example.org")).await, Ok(Applied::Written));
    assert_eq!(zone.serial(), serial, "nothing changed");
    let name = "mta-sts.example.org.sts.example";
    // An alias becomes an address in one step.
    let change = vec![
        RecordSet { values: Vec::new(), ..set(name, RecordValue::Cname("x".into())) },
        set(name, RecordValue::A([192, 0, 2, 82].into())),
    ];
    records.apply("example.org", change).await.unwrap();
    assert_eq!(zone.serial(), serial + 1);
    assert_eq!(kinds(&ask(&zone, name, T::A).answers), [T::A]);
    // All of it is removed: nothing of it is left, also no name above it.
    let none = zone.records("example.com").into_iter().map(|set| RecordSet { values: Vec::new(), ..set });
    records.apply("example.com", none.collect()).await.unwrap();
    for name in ["_mta-sts.example.com", "example.com", "com"] {
        assert_eq!(
            code(&ask(&zone, &format!("{name}.sts.example"), T::TXT)),
            ResponseCode::NXDomain,
            "{name}"
        );
    }
    assert_eq!(code(&ask(&zone, "org.sts.example", T::TXT)), ResponseCode::NoError);
}

fn open(path: &Path, now: UnixTime) -> Arc<Zone> {
    Arc::new(Zone::open(&config(), None, Box::new(Hand::at(now)), path).unwrap())
}

#[tokio::test]
async fn a_restart_serves_what_was_served_and_the_serial_never_falls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zone.journal");
    let first = open(&path, NOW);
    let records = ZoneRecords::new(Arc::clone(&first));
    for domain in ["example.org", "example.com"] {
        records.apply(domain, usual(domain)).await.unwrap();
    }
    records.apply("example.org", vec![txt("_mta-sts.example.org.sts.example", "second")]).await.unwrap();
    let (serial, kept) = (first.serial(), first.records("example.org"));
    drop((first, records));
    // A crash left half a line; and the clock was set back.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"serial\":1,\"domain\":\"example.org\",\"se");
    std::fs::write(&path, bytes).unwrap();
    let again = open(&path, NOW - 1_000_000);
    assert_eq!(again.records("example.org"), kept);
    assert_eq!(again.records("example.com").len(), 3);
    assert_eq!(again.serial(), serial + 1);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap().lines().count(),
        3,
        "written anew: serial and two domains"
    );
    let records = ZoneRecords::new(Arc::clone(&again));
    records.apply("example.com", vec![txt("_mta-sts.example.com.sts.example", "third")]).await.unwrap();
    assert_eq!(again.serial(), serial + 2);
    drop((again, records));
    let third = open(&path, NOW + 1_000_000);
    assert_eq!(i64::from(third.serial()), NOW + 1_000_000);
    assert!(format!("{:?}", third.records("example.com")).contains("third"));
}

#[tokio::test]
async fn changes_of_many_domains_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zone.journal");
    let zone = open(&path, NOW);
    let records = ZoneRecords::new(Arc::clone(&zone));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let records = records.clone();
        let domain = format!("d{}.example", n % 50);
        let name = format!("n{n}.{domain}.sts.example");
        tasks.spawn(async move { records.apply(&domain, vec![txt(&name, "x")]).await });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.unwrap(), Ok(Applied::Written));
    }
    drop((zone, records));
    let again = open(&path, NOW);
    let sets: usize = (0..50).map(|n| again.records(&format!("d{n}.example")).len()).sum();
    assert_eq!(sets, 200);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_and_nothing_of_it_is_served() {
    // Every write to it fails with "no space left".
    let full = Path::new("/dev/full");
    let file = std::fs::OpenOptions::new().append(true).open(full).unwrap();
    let mut zone = Zone::new(&config(), None, Box::new(Hand::at(NOW))).unwrap();
    zone.journal = Some(Journal::over(file, full));
    let zone = Arc::new(zone);
    let records = ZoneRecords::new(Arc::clone(&zone));
    for part in ["space", ""] {
        let Err(RecordsFailure::Later(text)) = records.apply("example.org", usual("example.org")).await
        else {
            panic!("it was taken")
        };
        assert!(text.contains("/dev/full") && text.contains(part), "{text}");
    }
    assert!(zone.records("example.org").is_empty());
}

#[test]
fn a_journal_that_cannot_be_read_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zone.journal");
    std::fs::write(&path, "{\"serial\":1}\nnothing\n{\"serial\":2}\n").unwrap();
    let Err(error) = Zone::open(&config(), None, Box::new(Hand::at(NOW)), &path) else { panic!("it opens") };
    let text = error.to_string();
    assert!(text.contains("zone.journal") && text.contains("line 2"), "{text}");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3, "it is left as it is");
}
