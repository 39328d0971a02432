% Stream of payments: the payer signs ever higher totals, each a part of 10,000 of the stakes, and the payee is the beneficiary. The highest
% total that is shown below the height of expiry counts: a higher one has a higher nonce. The payee's signature over a total ends the stream
% there, at once; so the payer can't end it at an old one. From the expiry on nothing counts that was not shown before.
%
% Evidence leaves: signature of the payer (64 bytes), total (an int, on top); to end the stream, the signature of the payee under them; or
% nothing. Anything else fails the run. Signed are tag, contract id and total: 32, 32 and 4 bytes.
% Facts: root, contract id, channel id. Result, the top last: delay, nonce, amount, root.

macro Payer binary 32 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ;
macro Payee binary 32 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= ;
macro Expiry int4 700000 ;

macro tag_of_payer ." sluice stream total of the payer" ;
macro tag_of_payee ." sluice stream close of the payee" ;

( facts -- contract id )
macro id_of car swap drop car drop ;
( signature tag account -- : fails unless it is this account's over the total )
macro check >r Id @ ++ Total @ ++ r> verify_sig not if fail else then ;

height Expiry < not if int 0 int 1 int 0 nil return else then

id_of Id !
stack_size int 0 =2 if Expiry height - int 1 int 0 nil return else then

Total !
tag_of_payer Payer check
stack_size int 0 =2 if Expiry height - int 1 Total @ + Total @ nil return else then

tag_of_payee Payee check
stack_size int 0 =2 not if fail else then
int 0 int 10002 Total @ nil
