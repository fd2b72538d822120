# docs/reference/options.md and compatibility.md, from the declarations. Needs
# nixpkgs' lib only, so it also runs where there is no nixpkgs.
{ lib }:
let
  inherit (lib) concatMapStrings concatStringsSep;

  # Packages are named in defaults, and every such default has a text of its own.
  pkgs = {
    inherit lib;
    formats = lib.genAttrs [ "json" "toml" ] (format: _: { type = lib.types.${format}; });
  };
  evaluated = lib.evalModules {
    modules = map (concern: ./modules + "/${concern}/options.nix") concerns ++ [
      {
        config._module.args = { inherit pkgs; };
        # Of the removed options, which are not documented.
        options = lib.genAttrs [ "assertions" "warnings" ] (
          _:
          lib.mkOption {
            type = lib.types.listOf lib.types.raw;
            internal = true;
          }
        );
      }
    ];
  };
  concerns = lib.attrNames (builtins.readDir ./modules);

  shown = lib.filter (
    option: option.visible && !option.internal && lib.hasPrefix "odin." option.name
  ) (lib.optionAttrSetToDocList evaluated.options);

  value = rendered: rendered.text or (lib.generators.toPretty { } rendered);
  block =
    text: if lib.hasInfix "\n" text then "\n\n  ```nix\n${indent text}  ```" else " `${lib.trim text}`";
  indent = text: concatMapStrings (line: "  ${line}\n") (lib.splitString "\n" (lib.trim text));

  entry = option: ''
    ### `${option.name}`

    ${lib.trim (option.description.text or option.description)}

    - Type: ${option.type}
    - Default:${if option ? default then block (value option.default) else " none, it must be set"}
    - Example:${block (value option.example)}

  '';

  data = import ./modules/gpu/compatibility.nix;
  row = cells: "| ${concatStringsSep " | " cells} |\n";
  yes = truth: if truth then "yes" else "no";
in
{
  # Options that break the rule: each has a description and an example.
  incomplete = map (option: option.name) (
    lib.filter (
      option: !(option ? example) || lib.trim (option.description.text or option.description) == ""
    ) shown
  );

  options = ''
    # Options

    Generated from the declarations in `nixos/modules`; do not edit. `make nix-check` fails when it is stale, and says how to write it again.

    ${concatMapStrings entry shown}'';

  compatibility = ''
    # Compatibility of drivers, GPUs, CUDA and kernels

    Generated from `nixos/modules/gpu/compatibility.nix`, which names its sources; do not edit. A combination outside these tables fails the evaluation.

    ## Branches

    | `odin.gpu.branch` | driver | maintained until | newest CUDA | GPU families | kernels |
    |---|---|---|---|---|---|
    ${lib.concatStrings (
      lib.mapAttrsToList (
        name: branch:
        let
          series = data.series.${branch.series};
        in
        row [
          "`${name}`"
          branch.series
          branch.until
          series.cuda
          (concatStringsSep ", " series.families)
          (concatStringsSep ", " series.kernels)
        ]
      ) data.branches
    )}
    ## GPU families

    | family | open kernel module | closed kernel module | last CUDA |
    |---|---|---|---|
    ${lib.concatStrings (
      lib.mapAttrsToList (
        name: family:
        row [
          name
          (yes family.open)
          (yes family.closed)
          (if family.cuda == null then "the driver's" else family.cuda)
        ]
      ) data.families
    )}'';
}
