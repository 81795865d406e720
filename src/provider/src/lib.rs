//! The clouds that an image may be for, and that a node may run on: the one list of them.
//!
//! A crate of its own, as two programs have it that share nothing else: the baker, by way of `tree`, and `configure`, which is in
//! each image and takes in no parsers of files.

use std::fmt;
use std::str::FromStr;

macro_rules! providers {
    (#[doc = $first_about:literal] $first:ident = $first_name:literal,
     $(#[doc = $about:literal] $variant:ident = $name:literal,)*) => {
        /// A cloud.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Provider {
            #[doc = $first_about]
            $first,
            $(#[doc = $about] $variant,)*
        }

        impl Provider {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[Self::$first, $(Self::$variant),*];

            /// All names, for a command's help: `a|b`.
            pub const CHOICES: &str = concat!($first_name, $("|", $name),*);

            /// The name in manifests, recipes, user-data and names of images.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_name,
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

// The order is that of sorting, and of what is listed. What a node does there is in `src/configure/src/cloud.rs`.
providers! {
    /// A developer's machine.
    Local = "local",
    /// Amazon Web Services.
    Aws = "aws",
    /// Google Cloud.
    Google = "google",
    /// Proxmox VE.
    Proxmox = "proxmox",
}

/// A name that is not a cloud's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(String);

impl Provider {
    /// The one with this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|provider| provider.as_str() == name)
    }
}

impl FromStr for Provider {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::of(text).ok_or_else(|| Unknown(text.chars().take(160).collect()))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Provider::CHOICES.replace('|', ", ");
        write!(f, "`{}` is no provider: it is one of {all}", self.0)
    }
}

impl std::error::Error for Unknown {}

#[cfg(feature = "serde")]
impl serde::Serialize for Provider {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Provider {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_that_of_one_cloud_and_fits_into_the_name_of_an_image() {
        for provider in Provider::ALL {
            assert_eq!(provider.as_str().parse(), Ok(*provider));
            assert!(provider.as_str().bytes().all(|byte| byte.is_ascii_lowercase()), "{provider}");
        }
        assert!(Provider::ALL.is_sorted());
        let error = "gcp".parse::<Provider>().unwrap_err().to_string();
        assert!(error.starts_with("`gcp` is no provider: it is one of local, aws, "), "{error}");
    }
}
