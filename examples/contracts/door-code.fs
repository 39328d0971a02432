% A room is let. The guest locks the price; the host, who is the beneficiary, gets all of it for the door code, if that is shown below the
% height of expiry. Without it the host keeps a tenth from then on, and the guest has the rest back.
%
% Evidence leaves: the door code, 32 bytes (an int or a list is none); or nothing.
% Result, the top last: delay, nonce, amount, root.

macro Code_hash binary 32 cVZ2zumYxJqS/R0mp/MDZT4sxAcHwEOWkvTh/tOSjck= ;
macro Expiry int4 700 ;

macro a_tenth int 1 int 1000 nil ;        ( nonce, amount, root: the delay comes before them )
macro all     int 2 int 10000 nil ;

( value -- bool: has it 32 bytes? What follows its first 32 bytes and another 32 must then be those others. )
macro has_32_bytes r@ ++ int 32 split drop r@ =2 ;

height Expiry < not if int 0 a_tenth return else then           ( it is over )
stack_size int 0 =2 if Expiry height - a_tenth return else then ( nothing given: wait for the expiry )

Code_hash >r
dup hash r@ =2 swap has_32_bytes and
if int 0 all else fail then
