% A loop: a function that calls itself until the int on the stack is 0.
% The function before the loop is there to be called when nothing is left to do: so the call is the last thing that
% the loop does, and takes its place instead of waiting for its end (a tail call).

: done ;
: loop int 1 - dup if recurse else done then call ;

int 5 loop call
