% Hashlock with expiry: pays the beneficiary all stakes for the secret, 32 bytes with this SHA-256, if it is shown below the height of expiry,
% and pays them back from then on. The height is the one at which the evidence is included. Spec: AP-2; seed 004.
%
% Evidence leaves: secret (on top; what lies under it does not matter).
% Result, the top last: delay, nonce, amount, root.

macro Payment_hash binary 32 Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU= ;
macro Expiry int4 700000 ;

macro paid_back    int 0 int 1 int 0 nil ;
macro not_yet      Expiry height - int 1 int 0 nil ;
macro right_secret int 0 int 2 int 10000 nil ;

( value -- bool: has it 32 bytes? What follows its first 32 bytes and another 32 must then be those others. )
macro has_32_bytes r@ ++ int 32 split drop r@ =2 ;

height Expiry < not if paid_back return else then

Payment_hash >r

stack_size int 0 =2 if not_yet return else then
is_list if not_yet return else then
dup hash r@ =2
swap has_32_bytes
and if right_secret else not_yet then
