% A hashlock: pays the beneficiary once it is given 32 bytes whose SHA-256 is the hash below.
% Result, the top last: delay, nonce, amount, root.

macro nothing_given int 50 int 1 int 0 nil ;
macro right_secret  int 0 int 2 int 10000 nil ;
macro wrong_secret  int 49 int 1 int 0 nil ;

stack_size int 0 == >r drop drop r>   ( is the stack empty? )
if nothing_given return else then

hash binary 32 Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU= =2
if right_secret else wrong_secret then
