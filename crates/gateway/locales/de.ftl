# Alle Sätze der Seiten auf Deutsch. Nachrichten und Variablen wie in en.ftl.

## Die Seite des Links

link-title = { $connector } verbinden
link-heading = { $named ->
    [yes] { $app } bittet um Zugriff auf Ihr { $connector }-Konto
   *[no] Eine App bittet um Zugriff auf Ihr { $connector }-Konto
 }
link-lead = Es geschieht nichts, bevor Sie fortfahren. Sie können jederzeit abbrechen.
link-scopes = Worum gebeten wird
link-scopes-none = { $connector } zeigt Ihnen, worum gebeten wird, bevor Sie entscheiden.
link-scope-other = Eine weitere Berechtigung, so von { $connector } benannt
link-steps = Wie es weitergeht
link-step-sign-in = Sie gehen weiter zu { $host } und melden sich dort an. Diese Seite fragt nie nach einem Passwort.
link-step-decide = { $connector } zeigt, was Sie erlauben würden, und Sie entscheiden.
link-step-return = Sie kommen hierher zurück und sehen, ob es geklappt hat.
link-person = Für
link-destination = Führt zu
link-expiry = Dieser Link
link-expiry-minutes = { $minutes ->
    [0] gilt einmal, keine Minute mehr
    [one] gilt einmal, noch eine Minute
   *[other] gilt einmal, noch { $minutes } Minuten
 }
link-button = Weiter zu { $connector }
link-unexpected = Nicht erwartet? Schließen Sie die Seite, dann ändert sich nichts. Fahren Sie nur fort, wenn Sie selbst darum gebeten haben: Den Zugriff bekommt, wer diesen Link erstellt hat.

## Wie es ausging

connected-title = Verbunden
connected-heading = { $connector } ist verbunden
connected-lead = { $named ->
    [yes] { $app } kann Ihr { $connector }-Konto nun nutzen, soweit Sie es erlaubt haben.
   *[no] Die App kann Ihr { $connector }-Konto nun nutzen, soweit Sie es erlaubt haben.
 }
connected-advice = Sie können diese Seite schließen. Zurücknehmen können Sie den Zugriff in den Einstellungen Ihres { $connector }-Kontos.

verifying-title = Noch ein Schritt
verifying-heading = Fast geschafft
verifying-lead = { $named ->
    [yes] Sie haben bei { $connector } zugestimmt. { $app } bestätigt nun noch, dass Sie es waren; bis dahin wird nichts gespeichert.
   *[no] Sie haben bei { $connector } zugestimmt. Die App bestätigt nun noch, dass Sie es waren; bis dahin wird nichts gespeichert.
 }
verifying-advice = Gehen Sie dorthin zurück, woher Sie kamen, und bleiben Sie dort angemeldet.

refused-title = Nicht verbunden
refused-heading = Sie haben abgelehnt, und das ist in Ordnung
refused-lead = { $named ->
    [yes] { $app } hat keinen Zugriff auf Ihr { $connector }-Konto. Es wurde nichts gespeichert.
   *[no] Die App hat keinen Zugriff auf Ihr { $connector }-Konto. Es wurde nichts gespeichert.
 }
refused-advice = Anders überlegt? Bitten Sie dort um einen neuen Link, wo Sie diesen bekommen haben.

failed-title = Nicht verbunden
failed-heading = { $connector } konnte nicht verbunden werden
failed-other = Unterwegs ist etwas schiefgegangen. Es wurde nichts gespeichert.
failed-authorization-failed = { $connector } hat die Freigabe nicht abgeschlossen. Es wurde nichts gespeichert.
failed-connection-disabled = Diese Verbindung ist zurzeit abgeschaltet. Es wurde nichts gespeichert.
failed-connection-misconfigured = { $connector } akzeptiert die App hinter diesem Link nicht. Das können nur ihre Entwickler beheben, nicht Sie.
failed-connection-not-configured = Die App hinter diesem Link ist bei { $connector } noch nicht eingerichtet. Das können nur ihre Entwickler tun, nicht Sie.
failed-identity-changed = Sie haben sich mit einem anderen { $connector }-Konto angemeldet als zuvor. Das frühere wurde behalten, wie es war.
failed-provider-response-invalid = Die Antwort von { $connector } war nicht zu verstehen. Es wurde nichts gespeichert.
failed-provider-unavailable = { $connector } hat gerade Schwierigkeiten. Es wurde nichts gespeichert.
failed-provider-unreachable = { $connector } war nicht zu erreichen. Es wurde nichts gespeichert.
failed-timed-out = { $connector } hat zu lange nicht geantwortet. Es wurde nichts gespeichert.
failed-user-mismatch = Der Link wurde für eine andere Person erstellt. Was Sie erlaubt haben, wurde verworfen.
failed-advice = Bitten Sie dort um einen neuen Link, wo Sie diesen bekommen haben. Klappt es wieder nicht, nennen Sie den Code unten.
failed-advice-later = Warten Sie ein paar Minuten und bitten Sie dann dort um einen neuen Link, wo Sie diesen bekommen haben.
failed-advice-developer = Bitte sagen Sie es denen, die Ihnen den Link geschickt haben, und nennen Sie den Code unten.
failed-advice-person = War es ein Versehen, bitten Sie um einen neuen Link und melden Sie sich als die richtige Person an.
failed-code = Code

took-too-long-title = Nicht verbunden
took-too-long-heading = Das hat zu lange gedauert
took-too-long-lead = Zur Sicherheit muss eine Verbindung innerhalb weniger Minuten fertig werden. Es wurde nichts gespeichert.
took-too-long-advice = Bitten Sie dort um einen neuen Link, wo Sie diesen bekommen haben.

## Links und Adressen, die nirgendwohin führen

link-expired-title = Link abgelaufen
link-expired-heading = Dieser Link ist abgelaufen
link-expired-lead = Links gelten nur wenige Minuten, damit niemand sonst sie nutzen kann. Es wurde nichts geändert.
link-expired-advice = Bitten Sie dort um einen neuen, wo Sie diesen bekommen haben.

link-used-title = Link benutzt
link-used-heading = Dieser Link wurde schon benutzt
link-used-lead = Jeder Link gilt einmal. Waren Sie es selbst, ist hier nichts mehr zu tun.
link-used-advice = Waren Sie es nicht, oder wurden Sie nicht fertig, bitten Sie dort um einen neuen, wo Sie diesen bekommen haben.

link-not-found-title = Unbekannter Link
link-not-found-heading = Diesen Link kennen wir nicht
link-not-found-lead = Vielleicht wurde er beim Kopieren abgeschnitten, oder er wurde nie hier erstellt.
link-not-found-advice = Öffnen Sie ihn noch einmal von dort, wo Sie ihn bekommen haben, oder bitten Sie um einen neuen.

not-ready-title = Nicht verfügbar
not-ready-heading = Das lässt sich gerade nicht verbinden
not-ready-lead = Die App hinter diesem Link ist dafür nicht bereit. Es wurde nichts geändert.
not-ready-advice = Bitte sagen Sie es denen, die Ihnen den Link geschickt haben, und nennen Sie den Code unten.

flow-not-found-title = Nicht verbunden
flow-not-found-heading = Das gehört nicht zu diesem Browser
flow-not-found-lead = Was zurückkam, passt zu keiner Verbindung, die in diesem Browser begonnen wurde. Es wurde nichts gespeichert.
flow-not-found-advice = Beginnen und beenden Sie es im selben Browser, mit erlaubten Cookies, über einen neuen Link.

page-not-found-title = Nicht gefunden
page-not-found-heading = Hier ist nichts
page-not-found-lead = Keine Seite hat diese Adresse.
page-not-found-advice = Sind Sie einem Link gefolgt, um ein Konto zu verbinden, öffnen Sie ihn noch einmal von dort, wo Sie ihn bekommen haben.

not-from-here-title = Nicht erlaubt
not-from-here-heading = Das kam nicht von unserer Seite
not-from-here-lead = Zu Ihrem Schutz beginnt eine Verbindung nur mit der Schaltfläche auf unserer eigenen Seite. Es wurde nichts geändert.
not-from-here-advice = Öffnen Sie den Link noch einmal und drücken Sie dort die Schaltfläche. Hilft das nicht, aktualisieren Sie Ihren Browser.

not-understood-title = Nicht verstanden
not-understood-heading = Das konnten wir nicht lesen
not-understood-lead = Was ankam, ist nicht das, was ein Browser auf dem Rückweg von einem Anbieter schickt. Es wurde nichts gespeichert.
not-understood-advice = Beginnen Sie noch einmal mit einem neuen Link.

wrong-host-title = Falsche Adresse
wrong-host-heading = Auf diesen Namen hören wir nicht
wrong-host-lead = Die Adresse in der Leiste Ihres Browsers ist nicht die dieses Dienstes. Es wurde nichts geändert.
wrong-host-advice = Öffnen Sie den Link genau so, wie Sie ihn bekommen haben.

trouble-title = Störung
trouble-heading = Bei uns stimmt etwas nicht
trouble-lead = Ihre Anfrage konnte nicht beantwortet werden. Es ging nichts verloren.
trouble-advice = Versuchen Sie es in ein paar Minuten noch einmal. Klappt es wieder nicht, nennen Sie den Code unten.

## Auf jeder Seite

footer = Der Zugriff wird von onbehalf verschlüsselt aufbewahrt und lässt sich jederzeit zurücknehmen.

## Was bekannte Berechtigungen bedeuten

scope-openid = Bestätigen, wer Sie sind
scope-email = Ihre E-Mail-Adresse sehen
scope-profile = Ihren Namen und Ihr Bild sehen
scope-offline-access = Weiterarbeiten, während Sie weg sind

scope-mail-google-com = Alle Ihre E-Mails lesen, schreiben, senden und endgültig löschen
scope-www-googleapis-com-auth-gmail-modify = Ihre E-Mails lesen, schreiben und senden, aber nicht endgültig löschen
scope-www-googleapis-com-auth-gmail-readonly = Ihre E-Mails und deren Einstellungen lesen
scope-www-googleapis-com-auth-gmail-send = E-Mails in Ihrem Namen senden
scope-www-googleapis-com-auth-gmail-compose = Entwürfe schreiben und E-Mails in Ihrem Namen senden
scope-www-googleapis-com-auth-gmail-labels = Ihre E-Mail-Labels sehen und ändern
scope-www-googleapis-com-auth-calendar = Alle Ihre Kalender sehen, ändern, teilen und löschen
scope-www-googleapis-com-auth-calendar-readonly = Alle Ihre Kalender sehen
scope-www-googleapis-com-auth-calendar-events = Die Termine aller Ihrer Kalender sehen und ändern
scope-www-googleapis-com-auth-calendar-events-readonly = Die Termine aller Ihrer Kalender sehen
scope-www-googleapis-com-auth-drive = Alle Ihre Dateien sehen, ändern, anlegen und löschen
scope-www-googleapis-com-auth-drive-readonly = Alle Ihre Dateien sehen und herunterladen
scope-www-googleapis-com-auth-drive-file = Nur die Dateien sehen und ändern, die Sie mit dieser App öffnen
scope-www-googleapis-com-auth-userinfo-email = Ihre E-Mail-Adresse sehen
scope-www-googleapis-com-auth-userinfo-profile = Ihren Namen und Ihr Bild sehen

scope-github-repo = Ihre Repositorys lesen und ändern, auch private
scope-github-read-user = Ihr Profil lesen
scope-github-user-email = Ihre E-Mail-Adressen sehen
scope-hubspot-oauth = Bestätigen, wer Sie sind
scope-hubspot-crm-objects-contacts-read = Ihre Kontakte sehen
scope-hubspot-crm-objects-contacts-write = Kontakte anlegen und ändern
scope-instagram-instagram-business-basic = Ihr Unternehmensprofil und Ihre Beiträge sehen
scope-outlook-user-read = Ihr Profil sehen
scope-outlook-mail-read = Ihre E-Mails lesen
scope-outlook-mail-readwrite = Ihre E-Mails lesen, ändern und löschen
scope-outlook-mail-send = E-Mails in Ihrem Namen senden
scope-quickbooks-com-intuit-quickbooks-accounting = Die Buchhaltung Ihrer Firma sehen und ändern
scope-salesforce-api = Die Daten lesen und ändern, die Sie erreichen können
scope-salesforce-refresh-token = Weiterarbeiten, während Sie weg sind
scope-shopify-read-products = Ihre Produkte sehen
scope-slack-channels-read = Die Liste der öffentlichen Kanäle sehen
scope-slack-chat-write = Nachrichten schreiben
scope-stripe-read-write = Alles in Ihrem Konto sehen und ändern
scope-tiktok-user-info-basic = Ihren Namen und Ihr Bild sehen
