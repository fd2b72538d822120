use super::*;

/// Made by ssh-keygen for these tests; nobody has the other half.
const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLg9wULeIrs6MsrLy9zGDMt1npFt3A8J+EVti2lQ2ym you@desk";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK6VLOC37aBi59J+\
                    r4pJCrsln6rYolc1un2k3+RA0p3tPpVhJo5TTGhaPBuIV+X9YgJR1zl87T+EYacFoPvZsvs= you@desk";
const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBOPoBPyRRtUIn0yu\
                    9plJTHAnsVEvJVCO1FlujxAXG9NJNk7yeR6FIKSEeW7V2wxVuZzMwhrQNB8wE0Z233rZETg8PEAPzQp5lZJ1WAuv\
                    PZS84A4eGAyqvBGETpDQbKcwkA==";
const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAGIBcbo3bQGBzw9\
                    ohHHluClLJ4l3T7IFAWfKCLaYZfXQyG9afje/l2xTGbSZuL28FtjGUTN6ni2QqqQn/Bv6JtegwDncw5G8RdvW8t2\
                    /uw9isWtMVOtWxsZf3d9p55RlJibxX/Ls8DgzDxdhhK/uMIShG+ssxyQdIOZQyjmxRT4ocwiow== a b c";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCoClZSHEkBcwHM/I4aWnh+rRR42D03H+EikLCcCQmZDoBrQb6day\
                   exYLoX6qmBU0ioCnCGzxuH4bSW8ZKA0+zQWj3YPspgLVBNlEfVw7bnaVj25EAS/xW6AEbOaA64EkC3nVFIAMQBYmVH\
                   uYgH9o7UhKuhe+To4FP3PybiwYby8OVr2Nm9eHCrBxNY1CvfzmzOU2HQ30wsONv0pyjP+6HV/acxJrFGksujSGvobS\
                   eo0umT4jqhUJxDhN0yV74EgO9HDcB4hkjWBXXy2UDNtYy7HVnTpFowdofWevVIvBXfZCOyS3OGzfsvCJZXw5TdvBg0\
                   WZURCEtDe0/oH3lsjY3L you@desk";

/// A line of any type, with these strings after the type.
fn line(name: &str, strings: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    for string in [name.as_bytes()].iter().chain(strings) {
        bytes.extend(u32::try_from(string.len()).expect("a length").to_be_bytes());
        bytes.extend(*string);
    }
    format!("{name} {}", STANDARD.encode(bytes))
}

#[test]
fn what_ssh_keygen_writes_is_taken() {
    for key in [ED25519, P256, P384, P521, RSA] {
        assert_eq!(check(key), Ok(()), "{key}");
    }
    // Keys on a token, whose last string is the application.
    let token = line("sk-ssh-ed25519@openssh.com", &[&[7; 32], b"ssh:"]);
    assert_eq!(check(&token), Ok(()));
    let token = line("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &[4; 65], b"ssh:"]);
    assert_eq!(check(&token), Ok(()));
}

#[test]
fn what_sshd_would_pass_over_or_take_for_more_is_refused() {
    let (head, comment) = ED25519.rsplit_once(' ').expect("a comment");
    let cut = format!("{} {comment}", &head[..head.len() - 4]);
    let lies = ED25519.replacen("ssh-ed25519", "ssh-rsa", 1);
    for (key, part) in [
        ("", "no public key"),
        ("ssh-ed25519", "cut off"),
        ("# a comment", "no public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "no public key"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "no public key"),
        (cut.as_str(), "cut off"),
        (lies.as_str(), "damaged"),
        (format!("{head}= {comment}").as_str(), "damaged"),
        (format!("command=\"sh\" {ED25519}").as_str(), "options"),
        (format!("no-pty {ED25519}").as_str(), "options"),
        (format!("{ED25519}\n{RSA}").as_str(), "one line"),
        (format!("{ED25519}\r").as_str(), "one line"),
        (line("ssh-rsa", &[&[1, 0, 1], &[1; 64]]).as_str(), "damaged"),
        (line("ssh-ed25519", &[&[1; 32], b"more"]).as_str(), "damaged"),
        (line("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]).as_str(), "damaged"),
    ] {
        let reason = check(key).expect_err(key);
        assert!(reason.contains(part), "{key}: {reason}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _verdict = check(&format!("ssh-rsa {}", STANDARD.encode(&bytes)));
        let _verdict = is_key(&bytes, "", &[AtLeast(1)]);
    }
}
