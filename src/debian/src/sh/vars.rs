//! Variables.

use std::collections::BTreeMap;

use crate::files::Bytes;

/// A variable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Var {
    pub(crate) value: Option<Bytes>,
    pub(crate) exported: bool,
    pub(crate) readonly: bool,
}

/// All variables of a shell, and those that functions made their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars {
    map: BTreeMap<Bytes, Var>,
    frames: Vec<Vec<(Bytes, Option<Var>)>>,
}

impl Vars {
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Bytes> {
        self.map.get(name).and_then(|var| var.value.as_ref())
    }

    /// Sets a value; false when the variable is read only.
    #[must_use]
    pub(crate) fn set(&mut self, name: &[u8], value: Bytes) -> bool {
        let var = self.map.entry(name.to_vec()).or_default();
        if !var.readonly {
            var.value = Some(value);
        }
        !var.readonly
    }

    #[must_use]
    pub(crate) fn unset(&mut self, name: &[u8]) -> bool {
        match self.map.get(name) {
            Some(var) if var.readonly => false,
            _ => {
                self.map.remove(name);
                true
            }
        }
    }

    pub(crate) fn export(&mut self, name: &[u8]) {
        self.map.entry(name.to_vec()).or_default().exported = true;
    }

    pub(crate) fn unexport(&mut self, name: &[u8]) {
        if let Some(var) = self.map.get_mut(name) {
            var.exported = false;
        }
    }

    pub(crate) fn protect(&mut self, name: &[u8]) {
        self.map.entry(name.to_vec()).or_default().readonly = true;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Var)> {
        self.map.iter()
    }

    /// What a program gets as its environment.
    pub(crate) fn environment(&self) -> Vec<(Bytes, Bytes)> {
        let exported = self.map.iter().filter(|(_, var)| var.exported);
        exported.filter_map(|(name, var)| Some((name.clone(), var.value.clone()?))).collect()
    }

    /// Keeps only what is exported, as a program that is a script itself gets it.
    pub(crate) fn only_exported(&mut self) {
        self.map.retain(|_, var| var.exported && var.value.is_some());
        self.map.values_mut().for_each(|var| var.readonly = false);
        self.frames.clear();
    }

    pub(crate) fn push(&mut self) {
        self.frames.push(Vec::new());
    }

    /// Makes a variable local to the innermost frame; false when there is none.
    #[must_use]
    pub(crate) fn local(&mut self, name: &[u8]) -> bool {
        let old = self.map.get(name).cloned();
        let Some(frame) = self.frames.last_mut() else { return false };
        if !frame.iter().any(|(known, _)| known == name) {
            frame.push((name.to_vec(), old));
        }
        true
    }

    pub(crate) fn pop(&mut self) {
        for (name, old) in self.frames.pop().unwrap_or_default().into_iter().rev() {
            match old {
                Some(var) => self.map.insert(name, var),
                None => self.map.remove(&name),
            };
        }
    }
}
