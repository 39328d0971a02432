/**
 * Why a spend's script failed, with the words of Bitcoin Core for it: they stand in reject reasons, and tests compare them
 * with a real node's. A script that uses what this interpreter lacks fails with one of the last two.
 */
export const SCRIPT_ERROR_TEXT = {
  eval_false: "Script evaluated without error but finished with a false/empty top stack element",
  verify: "Script failed an OP_VERIFY operation",
  equal_verify: "Script failed an OP_EQUALVERIFY operation",
  check_signature_verify: "Script failed an OP_CHECKSIGVERIFY operation",
  check_multisig_verify: "Script failed an OP_CHECKMULTISIGVERIFY operation",
  number_equal_verify: "Script failed an OP_NUMEQUALVERIFY operation",
  script_number: "unknown error",
  script_size: "Script is too big",
  push_size: "Push value size limit exceeded",
  operation_count: "Operation limit exceeded",
  stack_size: "Stack size limit exceeded",
  signature_count: "Signature count negative or greater than pubkey count",
  public_key_count: "Pubkey count negative or limit exceeded",
  bad_opcode: "Opcode missing or not understood",
  disabled_opcode: "Attempted to use a disabled opcode",
  invalid_stack_operation: "Operation not valid with the current stack size",
  invalid_alternate_stack_operation: "Operation not valid with the current altstack size",
  op_return: "OP_RETURN was encountered",
  unbalanced_conditional: "Invalid OP_IF construction",
  negative_locktime: "Negative locktime",
  unsatisfied_locktime: "Locktime requirement not satisfied",
  signature_hash_type: "Signature hash type missing or not understood",
  signature_der: "Non-canonical DER signature",
  signature_high_s: "Non-canonical signature: S value is unnecessarily high",
  signature_null_dummy: "Dummy CHECKMULTISIG argument must be zero",
  signature_null_fail: "Signature must be zero for failed CHECK(MULTI)SIG operation",
  minimal_data: "Data push larger than necessary",
  minimal_if: "OP_IF/NOTIF argument must be minimal",
  upgradable_nop: "NOPx reserved for soft-fork upgrades",
  public_key_type: "Public key is neither compressed or uncompressed",
  clean_stack: "Stack size must be exactly one after execution",
  upgradable_witness_program: "Witness version reserved for soft-fork upgrades",
  witness_program_wrong_length: "Witness program has incorrect length",
  witness_program_empty: "Witness program was passed an empty witness",
  witness_program_mismatch: "Witness program hash mismatch",
  witness_malleated: "Witness requires empty scriptSig",
  witness_public_key_type: "Using non-compressed keys in segwit",
  schnorr_signature_size: "Invalid Schnorr signature size",
  schnorr_hash_type: "Invalid Schnorr signature hash type",
  schnorr_signature: "Invalid Schnorr signature",
  taproot_script_path: "Taproot script path isn't supported by the embedded chain",
  legacy_script: "Scripts without segwit aren't supported by the embedded chain",
} as const;

export type ScriptError = keyof typeof SCRIPT_ERROR_TEXT;

/** `policy` is what a node relays and mines, `consensus` what it accepts in a block. Policy includes consensus. */
export type ScriptRules = "consensus" | "policy";
