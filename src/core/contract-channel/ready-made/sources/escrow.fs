% Escrow: an arbiter divides the stakes, with a signature over this contract's id and the beneficiary's part of 10,000. It decides below the
% height of expiry; from then on the division is the one that was agreed beforehand. Of two decisions the first that is included counts.
%
% Evidence leaves: signature (64 bytes), outcome (an int, on top); or nothing. Anything else fails the run.
% The arbiter signs tag, contract id and outcome: 32, 32 and 4 bytes.
% Facts: root, contract id, channel id. Result, the top last: delay, nonce, amount, root.

macro Arbiter binary 32 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ;
macro Expiry int4 700000 ;
macro Otherwise int4 0 ;

macro tag ." sluice escrow arbiter's decision" ;

( facts -- contract id )
macro id_of car swap drop car drop ;

height Expiry < not if int 0 int 1 Otherwise nil return else then

id_of Id !
stack_size int 0 =2 if Expiry height - int 1 Otherwise nil return else then

Outcome !
tag Id @ ++ Outcome @ ++ Arbiter verify_sig not if fail else then
stack_size int 0 =2 not if fail else then
int 0 int 2 Outcome @ nil
