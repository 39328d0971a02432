// Written by `npm run generate` from the files in ../sources. Change those.

export const escrowSource = `% Escrow: an arbiter divides the stakes, with a signature over this contract's id and the beneficiary's part of 10,000. It decides below the
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
`;

export const gameSource = `% A game of two players in rounds: rock, paper, scissors. Player one is the beneficiary. A round is three moves: one commits to a choice,
% two chooses openly, one reveals. Who has won more rounds in the end takes all stakes; a draw divides them as agreed beforehand.
%
% The root is SHA-256 of the state, 44 bytes: step (how many moves were made), lead (rounds, plus the rounds that one won, less those that two
% won), choice of two (4 bytes each), and the commitment of one (32 bytes).
%
% Move number k (from 0) is made below the height First_deadline + k x Move_time. From then on it can't be made, and whoever shows the state
% wins for the player who waited. Who is to show that has until End, one Move_time after the deadline of the last move; then it is a draw.
% Heights are those of inclusion, and no move's result depends on its own.
%
% Evidence leaves: signature (64 bytes), move, state (on top); or the state alone, to claim that the time has passed; or nothing.
% Anything else fails the run. A move is: a commitment (32 bytes), SHA-256 of what will be revealed; or a choice (an int: 0 rock, 1 paper,
% 2 scissors); or what is revealed (36 bytes): a choice, 4 bytes, and 32 random ones.
% The player signs tag, contract id, root and move. A root never comes back, since the step in it only grows.
% Facts: root, contract id, channel id. Result, the top last: delay, nonce, amount, root. Runs that are no moves leave the root as it is.

macro One binary 32 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ;
macro Two binary 32 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= ;
macro First_deadline int4 700000 ;
macro Move_time int4 144 ;
macro Rounds int4 3 ;
macro Draw int4 5000 ;

macro tag ." sluice two player game next move" ;
macro no_commitment binary 32 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ;
macro moves_in_all Rounds int 3 * ;
macro End Move_time moves_in_all * First_deadline + ;

macro kind_of_move Step @ int 3 rem ;
macro is_twos_move kind_of_move int 1 =2 ;
macro require not if fail else then ;

( root -- delay nonce amount root )
macro undecided >r End height - int 1 Draw r> ;
macro one_wins >r int 0 int 2 int 10000 r> ;
macro two_wins >r int 0 int 2 int 0 r> ;

( value -- bool: has it 32 bytes? What follows its first 32 bytes and another 32 must then be those others. )
macro has_32_bytes Root @ ++ int 32 split drop Root @ =2 ;

( facts -- )
car swap Root ! car drop Id !

height End < not if int 0 int 1 Draw Root @ return else then
stack_size int 0 =2 if Root @ undecided return else then

( The state, which has to be the one that the root stands for. )
dup hash Root @ =2 require
int 4 split Step !
int 4 split Lead !
int 4 split Choice !
Commitment !

( Has the player to move let the time pass? )
height Step @ Move_time * First_deadline + < not
if
  Root @ is_twos_move if one_wins else two_wins then return
else then

( A move, by the player whose turn it is. )
Move !
tag Id @ ++ Root @ ++ Move @ ++ is_twos_move if Two else One then verify_sig require
stack_size int 0 =2 require

Step @ int 1 +
kind_of_move int 0 =2
if
  Move @ has_32_bytes require
  Lead @ ++ int 0 ++ Move @ ++
else
  is_twos_move
  if
    Move @ int 3 < require
    Lead @ ++ Move @ ++ Commitment @ ++
  else
    Move @ hash Commitment @ =2 require
    Move @ int 4 split swap has_32_bytes require
    dup int 3 < require
    ( choice of one -- 0 for a draw, 1 if one wins, 2 if two wins )
    int 3 + Choice @ - int 3 rem
    dup int 1 =2 Lead @ + Lead !
    int 2 =2 Lead @ swap - Lead !
    Lead @ ++ int 0 ++ no_commitment ++
  then
then
hash

( The new root. Was that the last move? )
Step @ int 1 + moves_in_all < if undecided return else then
Lead @ Rounds > if one_wins return else then
Lead @ Rounds < if two_wins return else then
>r int 0 int 2 Draw r>
`;

export const hashlockExpirySource = `% Hashlock with expiry: pays the beneficiary all stakes for the secret, 32 bytes with this SHA-256, if it is shown below the height of expiry,
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
`;

export const hashlockSource = `% Hashlock: pays the beneficiary all stakes once it is given the secret, 32 bytes with this SHA-256. It has no expiry: in a dispute who gave it
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
`;

export const streamSource = `% Stream of payments: the payer signs ever higher totals, each a part of 10,000 of the stakes, and the payee is the beneficiary. The highest
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
`;
