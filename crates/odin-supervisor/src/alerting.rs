//! Alerts: who is told, whether that works, and what is done without a person.
//!
//! [`configuration`] turns the declaration into Alertmanager's, over the
//! default of the bundle; [`declared`] makes objects of it. [`alertmanager`] is
//! its API, asked through the API server, or [`direct`]ly where that is away.
//! [`rulers`] says which alerts a rule fires. [`remediation`] decides what is done
//! about alerts that ask for a remedy, [`delivery`] judges whether a
//! notification went out.

pub(crate) mod alertmanager;
pub(crate) mod configuration;
pub(crate) mod declared;
pub(crate) mod delivery;
pub(crate) mod direct;
pub(crate) mod remediation;
pub(crate) mod rulers;
