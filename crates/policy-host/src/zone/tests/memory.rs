use super::*;

/// Pages of this process in memory, in octets.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_hundred_thousand_domains_take_less_than_a_kilobyte_each() {
    let zone = Arc::new(Zone::new(&config(), None, Box::new(Hand::at(NOW))).unwrap());
    let records = ZoneRecords::new(Arc::clone(&zone));
    let before = resident();
    for n in 0..100_000 {
        let domain = format!("customer-{n}.example");
        records.apply(&domain, usual(&domain)).await.unwrap();
    }
    let each = resident().saturating_sub(before) / 100_000;
    let (domains, octets) = zone.size();
    assert_eq!(domains, 100_000);
    println!("{each} octets of memory a domain, {} of them records and names", octets / domains);
    assert!(each < 1000, "{each}");
    assert_eq!(
        code(&ask(&zone, "_tls.customer-77777.example.sts.example", RecordType::A)),
        ResponseCode::NoError
    );
    assert_eq!(
        code(&ask(&zone, "customer-100000.example.sts.example", RecordType::A)),
        ResponseCode::NXDomain
    );
}
