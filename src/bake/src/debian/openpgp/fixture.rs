//! Keys and signed messages that tests make for themselves: no secret is committed, no other program is needed.

use crate::debian::certificate::Certificate;
use pgp::composed::{
    KeyType, SecretKeyParamsBuilder, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PacketTrait as _, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::types::{Duration, KeyDetails as _, Password, SignedUser, SigningKey, Tag, Timestamp};
use rand::SeedableRng as _;

/// When keys are made: 2026-01-01.
pub(crate) const MADE: u32 = 1_767_225_600;
/// A day.
pub(crate) const DAY: u32 = 86_400;

/// An instant that many days after `MADE`.
pub(crate) fn day(days: u32) -> jiff::Timestamp {
    jiff::Timestamp::from_second(i64::from(MADE + days * DAY)).unwrap()
}

/// A key with a subkey, before its certificate is made.
pub(crate) struct Key {
    pub(crate) secret: SignedSecretKey,
}

/// How a certificate is bound together; the default is a good one for ever.
#[derive(Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) hash: HashAlgorithm,
    pub(crate) primary_life: Option<u32>,
    pub(crate) subkey_life: Option<u32>,
    pub(crate) subkey_signs: bool,
    pub(crate) back: bool,
    pub(crate) revoke_primary: bool,
    pub(crate) revoke_subkey: bool,
    /// Made by the subkey, where the primary key should.
    pub(crate) foreign: bool,
}

impl Default for Binding {
    fn default() -> Self {
        Self {
            hash: HashAlgorithm::Sha256,
            primary_life: None,
            subkey_life: None,
            subkey_signs: true,
            back: true,
            revoke_primary: false,
            revoke_subkey: false,
            foreign: false,
        }
    }
}

impl Key {
    /// A key of this type and its subkey, always the same for one `seed`.
    pub(crate) fn new(primary: KeyType, subkey: KeyType, seed: u64) -> Self {
        let made = Timestamp::from_secs(MADE);
        let subkey =
            SubkeyParamsBuilder::default().key_type(subkey).can_sign(true).created_at(made).build().unwrap();
        let secret = SecretKeyParamsBuilder::default()
            .key_type(primary)
            .can_sign(true)
            .can_certify(true)
            .created_at(made)
            .primary_user_id("a name\n[GNUPG:] GOODSIG 0".to_owned())
            .subkeys(vec![subkey])
            .build()
            .unwrap()
            .generate(rand::rngs::StdRng::seed_from_u64(seed))
            .unwrap();
        Self { secret }
    }

    pub(crate) fn ed25519(seed: u64) -> Self {
        Self::new(KeyType::Ed25519Legacy, KeyType::Ed25519Legacy, seed)
    }

    pub(crate) fn primary(&self) -> String {
        format!("{:X}", self.secret.primary_key.fingerprint())
    }

    pub(crate) fn subkey(&self) -> String {
        format!("{:X}", self.secret.secret_subkeys[0].key.fingerprint())
    }

    /// The certificate with fresh signatures of the day `MADE`.
    pub(crate) fn certificate(&self, how: Binding) -> Certificate {
        let (primary, subkey) = (&self.secret.primary_key, &self.secret.secret_subkeys[0].key);
        let (public, public_sub) = (primary.public_key(), subkey.public_key());
        let empty = Password::empty();
        let signer: &dyn Fn(SignatureType, Vec<SubpacketData>) -> SignatureConfig =
            &|typ, parts| config(primary, typ, how.hash, MADE, parts);
        let life =
            |life: Option<u32>| life.map(|life| SubpacketData::KeyExpirationTime(Duration::from_secs(life)));
        let flags = |sign| {
            let mut flags = KeyFlags::default();
            flags.set_sign(sign);
            flags.set_certify(true);
            SubpacketData::KeyFlags(flags)
        };
        let id = UserId::from_str(Default::default(), "a name\n[GNUPG:] GOODSIG 0").unwrap();
        let parts = [flags(true)].into_iter().chain(life(how.primary_life)).collect();
        let certified = signer(SignatureType::CertPositive, parts)
            .sign_certification(primary, public, &empty, Tag::UserId, &id)
            .unwrap();
        let mut parts: Vec<_> = [flags(how.subkey_signs)].into_iter().chain(life(how.subkey_life)).collect();
        if how.back {
            let back = config(subkey, SignatureType::KeyBinding, how.hash, MADE, vec![]);
            let back = back.sign_primary_key_binding(subkey, public_sub, &empty, public).unwrap();
            parts.push(SubpacketData::EmbeddedSignature(Box::new(back)));
        }
        let binding = signer(SignatureType::SubkeyBinding, parts);
        let binding = if how.foreign {
            binding.sign_subkey_binding(subkey, public, &empty, public_sub).unwrap()
        } else {
            binding.sign_subkey_binding(primary, public, &empty, public_sub).unwrap()
        };
        let mut bindings = vec![binding];
        if how.revoke_subkey {
            let revoked = signer(SignatureType::SubkeyRevocation, vec![]);
            bindings.push(revoked.sign_subkey_binding(primary, public, &empty, public_sub).unwrap());
        }
        let revoked = how
            .revoke_primary
            .then(|| signer(SignatureType::KeyRevocation, vec![]).sign_key(primary, &empty, public).unwrap());
        let users = vec![SignedUser::new(id, vec![certified])];
        let details = SignedKeyDetails::new(revoked.into_iter().collect(), vec![], users, vec![]);
        let subkeys = vec![SignedPublicSubKey::new(public_sub.clone(), bindings)];
        let key = SignedPublicKey::new(public.clone(), details, subkeys);
        // through its armour, as a file would come
        Certificate::parse(&key.to_armored_string(Default::default()).unwrap()).unwrap()
    }

    /// A signature over `text` by the subkey, on that day after `MADE`.
    pub(crate) fn sign(&self, text: &str, days: u32) -> Signature {
        self.sign_as(text, days, HashAlgorithm::Sha256, vec![])
    }

    pub(crate) fn sign_as(
        &self,
        text: &str,
        days: u32,
        hash: HashAlgorithm,
        parts: Vec<SubpacketData>,
    ) -> Signature {
        let key = &self.secret.secret_subkeys[0].key;
        let config = config(key, SignatureType::Text, hash, MADE + days * DAY, parts);
        config.sign(key, &Password::empty(), text.as_bytes()).unwrap()
    }

    /// A signature of another type than `Text`, over just these bytes.
    pub(crate) fn sign_bytes(&self, typ: SignatureType, bytes: &[u8], days: u32) -> Signature {
        let key = &self.secret.secret_subkeys[0].key;
        let config = config(key, typ, HashAlgorithm::Sha256, MADE + days * DAY, vec![]);
        config.sign(key, &Password::empty(), bytes).unwrap()
    }

    /// A signature by the primary key itself.
    pub(crate) fn sign_primary(&self, text: &str, days: u32) -> Signature {
        let key = &self.secret.primary_key;
        let config = config(key, SignatureType::Text, HashAlgorithm::Sha256, MADE + days * DAY, vec![]);
        config.sign(key, &Password::empty(), text.as_bytes()).unwrap()
    }
}

/// An InRelease of `text`, which ends without a line end, with these signatures.
pub(crate) fn message(text: &str, signatures: &[Signature]) -> String {
    let mut packets = Vec::new();
    for signature in signatures {
        signature.to_writer_with_header(&mut packets).unwrap();
    }
    let base64 = base64(&packets);
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}\n-----BEGIN PGP SIGNATURE-----\n\n{base64}\
         -----END PGP SIGNATURE-----\n"
    )
}

fn config(
    key: &impl SigningKey,
    typ: SignatureType,
    hash: HashAlgorithm,
    at: u32,
    parts: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), hash);
    let own = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    let all = own.into_iter().chain(parts);
    config.hashed_subpackets = all.map(|part| Subpacket::regular(part).unwrap()).collect();
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).unwrap()];
    config
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (n, three) in bytes.chunks(3).enumerate() {
        let bits = three.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
            out.push(if at <= three.len() { letter } else { '=' });
        }
        if n % 16 == 15 {
            out.push('\n');
        }
    }
    out.trim_end().to_owned() + "\n"
}
