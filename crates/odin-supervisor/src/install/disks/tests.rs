use std::path::Path;

use super::*;

const LIST: &str = r#"{"blockdevices": [
  {"name":"sda","path":"/dev/sda","size":960197124096,"serial":"S1","model":"A","type":"disk","ro":false,"tran":"sata",
   "fstype":null,"label":null,"partlabel":null,"parttype":null,"pttype":"gpt","mountpoints":[null],
   "children":[{"name":"sda1","path":"/dev/sda1","size":1000,"serial":null,"model":null,"type":"part","ro":false,"tran":null,
    "fstype":"ext4","label":"precious","partlabel":"data","parttype":null,"pttype":"gpt","mountpoints":[null]}]},
  {"name":"nvme0n1","path":"/dev/nvme0n1","size":960197124096,"serial":"N1","model":"B","type":"disk","ro":false,"tran":"nvme",
   "fstype":null,"label":null,"partlabel":null,"parttype":null,"pttype":null,"mountpoints":[null]},
  {"name":"sdb","path":"/dev/sdb","size":16000000000,"serial":"STICK","model":"C","type":"disk","ro":false,"tran":"usb",
   "fstype":"iso9660","label":"ODIN","partlabel":null,"parttype":null,"pttype":"dos","mountpoints":["/iso"]},
  {"name":"zram0","path":"/dev/zram0","size":0,"serial":null,"model":null,"type":"disk","ro":false,"tran":null,
   "fstype":null,"label":null,"partlabel":null,"parttype":null,"pttype":null,"mountpoints":[null]}
]}"#;

fn devices() -> Vec<Device> {
    parse(LIST).expect("a listing")
}

#[test]
fn a_rule_means_one_disk_or_none() {
    let devices = devices();
    let cases = [
        ("serial=N1", Ok("/dev/nvme0n1")),
        ("serial=N2", Err("no disk fits")),
        ("path=/dev/sda", Ok("/dev/sda")),
        ("path=/dev/sda1", Err("no disk fits")),
        ("size=960G", Err("2 disks fit")),
        ("size=16G", Ok("/dev/sdb")),
        ("size=largest", Err("2 disks fit")),
    ];
    for (rule, expected) in cases {
        let rule: Rule = rule.parse().expect("a rule");
        match (pick(&devices, &rule), expected) {
            (Ok(disk), Ok(path)) => assert_eq!(disk.path, Path::new(path), "{rule}"),
            (Err(error), Err(words)) => {
                let text = error.to_string();
                assert!(text.contains(words) && text.contains("serial STICK, in use"), "{rule}: {text}");
            }
            (found, _) => panic!("{rule}: {found:?}"),
        }
    }
    // Two could be meant, so none is.
    assert!(pick(&devices, &Rule::Only).is_err());
    let one: Vec<Device> = devices.into_iter().filter(|device| device.name() != "S1").collect();
    assert_eq!(pick(&one, &Rule::Only).expect("one").name(), "N1");
    // The stick with the seed is none of them, mounted or not.
    let seeded = LIST.replace("precious", "ODIN-SEED");
    let seeded = parse(&seeded).expect("a listing");
    assert_eq!(pick(&seeded, &Rule::Only).expect("one").name(), "N1");
    assert_eq!(crate::install::seed::find(&seeded), Some("/dev/sda1".into()));
}

#[test]
fn a_rule_that_says_nothing_is_refused_with_the_forms_there_are() {
    for text in ["sda", "serial=", "path=sda", "size=big", "colour=red"] {
        let error = text.parse::<Rule>().expect_err(text);
        assert!(error.contains("serial=NUMBER"), "{error}");
    }
}

#[test]
fn what_lies_on_a_disk_is_told_by_name() {
    let devices = devices();
    assert_eq!(
        devices[0].contents(),
        ["a partition table (gpt)", "/dev/sda1: ext4 label precious, partition data"]
    );
    assert!(devices[1].contents().is_empty());
    assert_eq!(devices[2].mounts(), ["/iso"]);
}
