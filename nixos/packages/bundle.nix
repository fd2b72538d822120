# One overlay, rendered once. The charts' app versions become those of the
# images that nixpkgs builds, so a tag cannot name an image that is not there.
{
  pkgs,
  odin,
  overlay,
  versions,
  manifests,
}:
let
  inherit (pkgs) lib;
  setVersion =
    chart: version: ''yq --inplace '.appVersion = "${version}"' manifests/charts/${chart}/Chart.yaml'';
in
pkgs.runCommand "odin-bundle-${overlay}"
  {
    nativeBuildInputs = [
      odin
      pkgs.kubectl
      pkgs.kubernetes-helm
      pkgs.yq-go
    ];
    passthru = { inherit overlay versions; };
  }
  ''
    # helm and kubectl want a place for caches
    export HOME=$TMPDIR
    cp --recursive --no-preserve=mode ${manifests} manifests
    ${lib.concatStringsSep "\n" (lib.mapAttrsToList setVersion versions)}
    odin bundle build manifests/overlays/${overlay} --output $out
    odin bundle lint $out
  ''
