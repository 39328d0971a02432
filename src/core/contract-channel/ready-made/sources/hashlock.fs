% Hashlock: pays the beneficiary all stakes once it is given the secret, 32 bytes with this SHA-256. It has no expiry: in a dispute who gave it
% records on the ledger that nothing was given, before evidence ends, and has the stakes back 50 ticks later. It is for two parties that deal with
% each other, and never for a payment that a third one forwards. Spec: AP-2; seed 004.
%
% Evidence leaves: secret (on top; what lies under it does not matter).
% Result, the top last: delay, nonce, amount, root.

macro Payment_hash binary 32 Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU= ;

macro nothing_given int 50 int 1 int 0 nil ;
macro wrong_secret  int 49 int 1 int 0 nil ;
macro right_secret  int 0 int 2 int 10000 nil ;

( value -- bool: has it 32 bytes? What follows its first 32 bytes and another 32 must then be those others. )
macro has_32_bytes r@ ++ int 32 split drop r@ =2 ;

Payment_hash >r

stack_size int 0 =2 if nothing_given return else then
is_list if wrong_secret return else then
dup hash r@ =2
swap has_32_bytes
and if right_secret else wrong_secret then
