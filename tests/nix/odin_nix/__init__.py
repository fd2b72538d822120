"""Tools of the tests of the Nix files."""
