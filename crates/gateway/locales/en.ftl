# Every sentence of the hosted pages, in English. The other files of this folder have the same messages and variables.
#
# $app is who asks, $named says whether the environment told us (yes, no); $connector is a connector's name.

## The link page

link-title = Connect { $connector }
link-heading = { $named ->
    [yes] { $app } asks for access to your { $connector } account
   *[no] An app asks for access to your { $connector } account
 }
link-lead = Nothing happens until you continue. You can stop at any time.
link-scopes = What is asked for
link-scopes-none = { $connector } shows you what is asked for before you decide.
link-scope-other = A further permission, named by { $connector }
link-steps = What happens next
link-step-sign-in = You continue to { $host } and sign in there. This page never asks for a password.
link-step-decide = { $connector } shows what you would allow, and you decide.
link-step-return = You come back here and see how it went.
link-person = For
link-destination = Leads to
link-expiry = This link
link-expiry-minutes = { $minutes ->
    [0] works once, for less than a minute
    [one] works once, within the next minute
   *[other] works once, for the next { $minutes } minutes
 }
link-button = Continue to { $connector }
link-unexpected = Not expecting this? Close this page, and nothing changes. Continue only if you asked for this yourself: the access goes to whoever made this link.

## The form for a credential, where a provider gives out keys

form-title-again = Not connected yet – { $connector }
form-required = required
form-optional = optional
form-choose = Please choose
form-example = such as { $example }
form-help-page = Where to find it: { $host } (opens in a new tab)
form-readable = It can be read while you enter it: see that nobody looks at your screen.
form-again = Please enter it again. What you enter here is never sent back to your browser.
form-button = Connect { $connector }
form-step-check = { $connector } is asked whether what you entered works. If it doesn't, you are told why, and nothing is kept.
form-step-keep = What you entered is stored encrypted, used only to call { $connector }, and never shown again.
form-step-verify = You continue to { $host }, which confirms that it was you. Nothing is stored before that.
form-step-use = { $named ->
    [yes] { $app } can then do everything at { $connector } that it allows, until you revoke it there.
   *[no] The app can then do everything at { $connector } that it allows, until you revoke it there.
 }
form-unexpected = Not expecting this? Close this page, and nothing changes. Enter something only if you asked for this yourself: whoever made this link will be able to use it.

form-faults = { $count ->
    [one] One entry needs another look
   *[other] { $count } entries need another look
 }
fault-missing = { $label } is missing.
fault-no-choice = { $label }: choose one of the entries.
fault-control-characters = { $label } has a line break or an invisible character in it. Copy it once more, on its own.
fault-no-host = { $label } must be a name alone, without https:// and without anything after it.
fault-no-url = { $label } must be an address that begins with https://.
fault-no-email = { $label } must be an email address.
fault-no-pem = { $label } must be a whole key, with the line that begins with -----BEGIN.
fault-no-json = { $label } must be the whole content of a JSON file, with its braces.
fault-pattern = { $label } doesn't look like one from { $connector }.
fault-too-long = { $label } is too long.
fault-unsendable = { $label } has characters that { $connector } can't have given you. Some only look like the right ones: copy it, don't type it.
fault-invisible = { $label } has invisible characters in it. Copy it once more, from the first visible character to the last.
fault-example = It looks like this: { $example }

form-wrong-heading = { $connector } doesn't accept this
form-wrong-lead = { $connector } doesn't know what you entered. It may be incomplete, expired or revoked, or belong to another account. Nothing was stored.
form-wrong-advice = Copy it from { $connector } once more and enter it again.
form-too-little-heading = That doesn't allow enough
form-too-little-lead = { $connector } accepts what you entered, but it lacks a permission that is needed here. Nothing was stored.
form-too-little-advice = Give it more permissions at { $connector }, or make another one there, and enter that.
form-another-heading = This belongs to another account
form-another-lead = What you entered works, but it is from another { $connector } account than the one that is connected already. Nothing was changed.
form-another-advice = Enter one from the account that is connected, or ask for a new link if you want to change accounts.
form-trouble-heading = { $connector } is having trouble
form-trouble-lead = What you entered may be right, but { $connector } can't check it at the moment. Nothing was stored.
form-trouble-advice = Wait a few minutes and try again. This link still works.
form-no-answer-heading = { $connector } could not be reached
form-no-answer-lead = What you entered could not be checked. Nothing was stored.
form-no-answer-advice = If you entered a name or an address below, see whether it is right. Otherwise try again in a few minutes.
form-nonsense-heading = { $connector } gave a strange answer
form-nonsense-lead = What you entered could not be checked, because the answer could not be understood. Nothing was stored.
form-nonsense-advice = If you entered a name or an address below, see whether it is right. Otherwise please tell the people who sent you the link, with the code below.
form-unchecked-heading = That could not be checked
form-unchecked-lead = Something went wrong before { $connector } said whether what you entered works. Nothing was stored.
form-unchecked-advice = Try again. If it fails again, please tell the people who sent you the link, with the code below.

form-not-understood-title = Not understood
form-not-understood-heading = We couldn't read that
form-not-understood-lead = What arrived is not what the form on our page sends. Nothing was stored, and the link still works.
form-not-understood-advice = Open the link again and fill in the form there.

form-not-from-here-title = Not allowed
form-not-from-here-heading = This form wasn't shown to this browser
form-not-from-here-lead = To protect you, a form counts only in the browser that opened the link, with cookies allowed, and for a few minutes. Nothing was stored.
form-not-from-here-advice = Open the link again and fill in the form there.

being-checked-title = Being checked
being-checked-heading = What you entered is being checked
being-checked-lead = The form was sent twice. What came first is still being checked, which takes a few seconds.
being-checked-advice = Then open the link again. If it shows the form, what you entered was not accepted and nothing was stored.
being-checked-back = Open the link again

## How a flow ended

connected-title = Connected
connected-heading = { $connector } is connected
connected-lead = { $named ->
    [yes] { $app } can now use your { $connector } account, within what you allowed.
   *[no] The app can now use your { $connector } account, within what you allowed.
 }
connected-advice = You can close this page. To take the access back, remove it in the settings of your { $connector } account.

verifying-title = One step left
verifying-heading = Almost there
verifying-lead = { $named ->
    [yes] Your part at { $connector } is done. { $app } now confirms that it was you; until then nothing is stored.
   *[no] Your part at { $connector } is done. The app now confirms that it was you; until then nothing is stored.
 }
verifying-advice = Go back to where you came from, and stay signed in there.

refused-title = Not connected
refused-heading = You said no, and that is fine
refused-lead = { $named ->
    [yes] { $app } has no access to your { $connector } account. Nothing was stored.
   *[no] The app has no access to your { $connector } account. Nothing was stored.
 }
refused-advice = Changed your mind? Ask for a new link where you got this one.

failed-title = Not connected
failed-heading = { $connector } could not be connected
failed-other = Something went wrong on the way. Nothing was stored.
failed-authorization-failed = { $connector } did not complete the authorization. Nothing was stored.
failed-connection-disabled = This connection has been switched off for now. Nothing was stored.
failed-connection-misconfigured = { $connector } does not accept the app behind this link. Its developers have to mend that; you can't.
failed-connection-not-configured = The app behind this link is not set up with { $connector } yet. Its developers have to do that; you can't.
failed-identity-changed = You signed in with another { $connector } account than before. The earlier one was kept as it was.
failed-provider-response-invalid = { $connector } gave an answer that could not be understood. Nothing was stored.
failed-provider-unavailable = { $connector } is having trouble at the moment. Nothing was stored.
failed-provider-unreachable = { $connector } could not be reached. Nothing was stored.
failed-timed-out = { $connector } took too long to answer. Nothing was stored.
failed-user-mismatch = You are not the person this link was made for. What you allowed was thrown away.
failed-advice = Ask for a new link where you got this one. If it fails again, pass on the code below.
failed-advice-later = Wait a few minutes, then ask for a new link where you got this one.
failed-advice-developer = Please tell the people who sent you the link, with the code below.
failed-advice-person = If that was a mistake, ask for a new link and sign in as the right person.
failed-code = Code

took-too-long-title = Not connected
took-too-long-heading = That took too long
took-too-long-lead = For safety, a connection has to be finished within minutes. Nothing was stored.
took-too-long-advice = Ask for a new link where you got this one.

## Links and addresses that lead nowhere

link-expired-title = Link expired
link-expired-heading = This link has expired
link-expired-lead = Links work for a few minutes only, so that nobody else can use them. Nothing was changed.
link-expired-advice = Ask for a new one where you got this one.

link-used-title = Link used
link-used-heading = This link was used already
link-used-lead = Each link works once. If it was you, there is nothing left to do here.
link-used-advice = If it was not you, or you didn't finish, ask for a new one where you got this one.

link-not-found-title = Unknown link
link-not-found-heading = We don't know this link
link-not-found-lead = It may have been cut off when it was copied, or it was never made here.
link-not-found-advice = Open it once more from where you got it, or ask for a new one.

link-ended-title = Link ended
link-ended-heading = This link ends here
link-ended-lead = It did not work out, and for safety this link can't be tried any further. Nothing was stored.
link-ended-advice = Ask for a new one where you got this one.

not-ready-title = Not available
not-ready-heading = This can't be connected right now
not-ready-lead = The app behind this link is not ready for it. Nothing was changed.
not-ready-advice = Please tell the people who sent you the link, with the code below.

flow-not-found-title = Not connected
flow-not-found-heading = This doesn't belong to this browser
flow-not-found-lead = What came back matches no connection that was begun in this browser. Nothing was stored.
flow-not-found-advice = Begin and finish in the same browser, with cookies allowed, from a new link.

page-not-found-title = Not found
page-not-found-heading = There is nothing here
page-not-found-lead = No page has this address.
page-not-found-advice = If you followed a link to connect an account, open it once more from where you got it.

not-from-here-title = Not allowed
not-from-here-heading = That did not come from our page
not-from-here-lead = To protect you, a connection begins only with the button on our own page. Nothing was changed.
not-from-here-advice = Open the link again and press the button there. If that doesn't help, update your browser.

not-understood-title = Not understood
not-understood-heading = We couldn't read that
not-understood-lead = What arrived is not what a browser sends on the way back from a provider. Nothing was stored.
not-understood-advice = Begin again from a new link.

wrong-host-title = Wrong address
wrong-host-heading = We don't answer to this name
wrong-host-lead = The address in your browser's bar is not the one of this service. Nothing was changed.
wrong-host-advice = Open the link exactly as you got it.

trouble-title = Trouble
trouble-heading = Something is wrong on our side
trouble-lead = Your request could not be answered. Nothing was lost.
trouble-advice = Try again in a few minutes. If it fails again, pass on the code below.

## On every page

footer = Access is kept encrypted by onbehalf and can be taken back at any time.

## What well-known scopes mean. A scope's message is `scope-`, the connector's slug where the scope is not a URL or
## a standard one, and the scope in lower case with every other character as `-`.

scope-openid = Confirm who you are
scope-email = See your email address
scope-profile = See your name and picture
scope-offline-access = Keep working while you are away

scope-mail-google-com = Read, write, send and permanently delete all your mail
scope-www-googleapis-com-auth-gmail-modify = Read, write and send your mail, without deleting it for good
scope-www-googleapis-com-auth-gmail-readonly = Read your mail and its settings
scope-www-googleapis-com-auth-gmail-send = Send mail in your name
scope-www-googleapis-com-auth-gmail-compose = Write drafts and send mail in your name
scope-www-googleapis-com-auth-gmail-labels = See and change your mail labels
scope-www-googleapis-com-auth-calendar = See, change, share and delete all your calendars
scope-www-googleapis-com-auth-calendar-readonly = See all your calendars
scope-www-googleapis-com-auth-calendar-events = See and change the events of all your calendars
scope-www-googleapis-com-auth-calendar-events-readonly = See the events of all your calendars
scope-www-googleapis-com-auth-drive = See, change, create and delete all your files
scope-www-googleapis-com-auth-drive-readonly = See and download all your files
scope-www-googleapis-com-auth-drive-file = See and change only the files that you open with this app
scope-www-googleapis-com-auth-userinfo-email = See your email address
scope-www-googleapis-com-auth-userinfo-profile = See your name and picture

scope-github-repo = Read and change your repositories, private ones too
scope-github-read-user = Read your profile
scope-github-user-email = See your email addresses
scope-hubspot-oauth = Confirm who you are
scope-hubspot-crm-objects-contacts-read = See your contacts
scope-hubspot-crm-objects-contacts-write = Create and change your contacts
scope-instagram-instagram-business-basic = See your business profile and posts
scope-outlook-user-read = See your profile
scope-outlook-mail-read = Read your mail
scope-outlook-mail-readwrite = Read, change and delete your mail
scope-outlook-mail-send = Send mail in your name
scope-quickbooks-com-intuit-quickbooks-accounting = See and change your company's books
scope-salesforce-api = Read and change the data that you can reach
scope-salesforce-refresh-token = Keep working while you are away
scope-shopify-read-products = See your products
scope-slack-channels-read = See the list of public channels
scope-slack-chat-write = Post messages
scope-stripe-read-write = See and change everything in your account
scope-tiktok-user-info-basic = See your name and picture
