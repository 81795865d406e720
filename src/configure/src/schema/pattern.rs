//! Rules as regular expressions: those of ECMA-262 that RE2 and others read alike, so no look-ahead and no `\u`.

use crate::rules::Rule;

/// In which file a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A file of the shell's form, where a value may have any character.
    File,
    /// A delivery, where it may not: [`crate::delivery`].
    Delivery,
}

const HOST: &str =
    "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:[.][A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*";
/// A label of a node's name.
const SMALL: &str = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
const V6: &str = "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*";
const PORT: &str = "0*[1-9][0-9]{0,4}";
const OCTET: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const ADDRESS: &str = "[0-9A-Fa-f:.]+";
const ALG: &str = "(?:RS|ES|PS)(?:256|384|512)";
/// What is printed in ASCII, without quotes, `\`, `.` and `/`.
const PART: &str = "!#-&(-,0-\\[\\]-~-";
const CIDR: &str = "[0-9A-Fa-f:.]+/(?:0|[1-9][0-9]{0,2})";

/// The pattern of `rule`; an empty value always means "not set", and matches.
pub(super) fn of(rule: Rule, form: Form) -> String {
    format!("^(?:{})?$", inner(rule, form))
}

fn inner(rule: Rule, form: Form) -> String {
    let authority = format!("(?:{HOST}|\\[{V6}\\])");
    let behind = match form {
        // what is printed in ASCII without " \ ` ' < > $
        Form::File => "[!#%&(-;=?-\\[\\]^_a-~]",
        Form::Delivery => "[A-Za-z0-9./_:+=#@,?&\\[\\]%~;-]",
    };
    let rest = format!("{authority}(?::{PORT})?(?:[/?#]{behind}*)?");
    let server = format!("https://{authority}:{PORT}(?:[/?#][!#%&(-+.-;=?-\\[\\]^_a-~-]*)?");
    match (rule, form) {
        (Rule::Line, Form::File) => "[!-~](?:[ -~]*[!-~])?".to_owned(),
        (Rule::Line, Form::Delivery) => {
            "[A-Za-z0-9./_:+=#@,-](?:[A-Za-z0-9 ./_:+=#@,-]*[A-Za-z0-9./_:+=#@,-])?".to_owned()
        }
        (Rule::NodeName, _) => format!("{SMALL}(?:[.]{SMALL})*"),
        (Rule::ClusterName, _) => "[a-z0-9](?:-?[a-z0-9])*".to_owned(),
        (Rule::SshKeys, Form::File) => "[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]+".to_owned(),
        (Rule::SshKeys, Form::Delivery) => "[A-Za-z0-9 ./_:+=#@,\\n\"*?%()!-]+".to_owned(),
        (Rule::Region, _) => "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?".to_owned(),
        // neither `.` nor `..`
        (Rule::Name, _) => {
            "(?:[A-Za-z0-9_-]|[.][A-Za-z0-9_-]|[.][.][A-Za-z0-9._-])[A-Za-z0-9._-]{0,252}".to_owned()
        }
        (Rule::Bool, _) => "true|false".to_owned(),
        (Rule::Port, _) => {
            "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]".to_owned()
        }
        (Rule::Number(low, high), _) => {
            (low..=high).map(|number| number.to_string()).collect::<Vec<_>>().join("|")
        }
        (Rule::Hostname, _) => HOST.to_owned(),
        (Rule::Host, _) => format!("{HOST}|{V6}"),
        (Rule::HostPort, _) => format!("{authority}:{PORT}"),
        (Rule::Url, _) => format!("https?://{rest}"),
        (Rule::Issuer, _) => format!("https://{authority}(?::{PORT})?(?:/{behind}*)?"),
        (Rule::Endpoint, _) => format!("(?:[Hh][Tt][Tt][Pp][Ss]?://)?{rest}"),
        (Rule::UrlList, _) => format!("{server}(?:,{server})*"),
        (Rule::CidrPair | Rule::ServiceRanges, _) => format!("{CIDR}(?:,{CIDR})?"),
        (Rule::AddressList, _) => format!("{ADDRESS}(?:,{ADDRESS}){{0,2}}"),
        (Rule::SigningAlgs, _) => format!(" *{ALG} *(?:, *{ALG} *)*"),
        (Rule::Claim, _) => "[A-Za-z0-9._:/@-]{1,253}".to_owned(),
        (Rule::ClaimPrefix, _) => "[A-Za-z0-9._:/@-]{1,253}".to_owned(),
        (Rule::NameList, _) => "[A-Za-z0-9, \\t._@:-]+".to_owned(),
        (Rule::Certificates, _) => "[A-Za-z0-9+/= \\t\\n\\f\\r]+".to_owned(),
        // no part is `.` or `..`
        (Rule::Path, _) => format!("(?:/(?:[{PART}]|[.][{PART}]|[.][.][.{PART}])[.{PART}]*)+"),
        (Rule::Provider, _) => crate::cloud::Provider::CHOICES.to_owned(),
        (Rule::AwsAccount, _) => "[0-9]{12}".to_owned(),
        (Rule::Ipv4, _) => format!("(?:{OCTET}[.]){{3}}{OCTET}"),
        (Rule::Ipv6, _) => V6.to_owned(),
    }
}
