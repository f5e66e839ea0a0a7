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

## Das Formular für Zugangsdaten, wo Anbieter Schlüssel ausgeben

form-title-again = Noch nicht verbunden – { $connector }
form-required = erforderlich
form-optional = freiwillig
form-choose = Bitte wählen
form-example = etwa { $example }
form-help-page = Hier zu finden: { $host } (öffnet einen neuen Tab)
form-readable = Bei der Eingabe ist es lesbar: Achten Sie darauf, dass niemand auf Ihren Bildschirm sieht.
form-again = Bitte geben Sie es noch einmal ein. Was Sie hier eingeben, wird nie an Ihren Browser zurückgeschickt.
form-button = { $connector } verbinden
form-step-check = { $connector } wird gefragt, ob Ihre Eingaben gültig sind. Sind sie es nicht, erfahren Sie warum, und es wird nichts behalten.
form-step-keep = Ihre Eingaben werden verschlüsselt gespeichert, nur für Aufrufe bei { $connector } benutzt und nie wieder angezeigt.
form-step-verify = Sie gehen weiter zu { $host }; dort wird bestätigt, dass Sie es waren. Vorher wird nichts gespeichert.
form-step-use = { $named ->
    [yes] { $app } kann dann bei { $connector } alles tun, was sie erlauben, bis Sie sie dort widerrufen.
   *[no] Die App kann dann bei { $connector } alles tun, was sie erlauben, bis Sie sie dort widerrufen.
 }
form-unexpected = Nicht erwartet? Schließen Sie die Seite, dann ändert sich nichts. Geben Sie nur etwas ein, wenn Sie selbst darum gebeten haben: Wer diesen Link erstellt hat, kann es dann nutzen.

form-faults = { $count ->
    [one] Eine Eingabe stimmt noch nicht
   *[other] { $count } Eingaben stimmen noch nicht
 }
fault-missing = { $label }: Hier fehlt noch etwas.
fault-no-choice = { $label }: Bitte wählen Sie einen der Einträge.
fault-control-characters = { $label }: Die Eingabe enthält einen Zeilenumbruch oder ein unsichtbares Zeichen. Kopieren Sie sie noch einmal, ohne etwas davor oder danach.
fault-no-host = { $label }: Bitte nur den Namen, ohne https:// und ohne etwas dahinter.
fault-no-url = { $label }: Bitte eine Adresse, die mit https:// beginnt.
fault-no-email = { $label }: Bitte eine E-Mail-Adresse.
fault-no-pem = { $label }: Bitte einen ganzen Schlüssel, mit der Zeile, die mit -----BEGIN anfängt.
fault-no-json = { $label }: Bitte den ganzen Inhalt einer JSON-Datei, mit den geschweiften Klammern.
fault-pattern = { $label }: So sieht das bei { $connector } nicht aus.
fault-too-long = { $label }: Die Eingabe ist zu lang.
fault-unsendable = { $label }: Die Eingabe enthält Zeichen, die nicht von { $connector } stammen können. Manche sehen den richtigen nur ähnlich: Kopieren Sie sie, statt sie abzutippen.
fault-invisible = { $label }: Die Eingabe enthält unsichtbare Zeichen. Kopieren Sie sie noch einmal, vom ersten sichtbaren Zeichen bis zum letzten.
fault-example = Beispiel: { $example }

form-wrong-heading = { $connector } nimmt das nicht an
form-wrong-lead = { $connector } kennt nicht, was Sie eingegeben haben. Vielleicht ist es unvollständig, abgelaufen oder widerrufen, oder es gehört zu einem anderen Konto. Es wurde nichts gespeichert.
form-wrong-advice = Kopieren Sie es bei { $connector } noch einmal und geben Sie es erneut ein.
form-too-little-heading = Das erlaubt nicht genug
form-too-little-lead = { $connector } nimmt Ihre Eingaben an, aber es fehlt eine Berechtigung, die hier gebraucht wird. Es wurde nichts gespeichert.
form-too-little-advice = Erlauben Sie bei { $connector } mehr, oder legen Sie dort etwas Neues mit mehr Berechtigungen an, und geben Sie es hier ein.
form-another-heading = Das gehört zu einem anderen Konto
form-another-lead = Ihre Eingaben sind gültig, stammen aber aus einem anderen { $connector }-Konto als dem, das schon verbunden ist. Es wurde nichts geändert.
form-another-advice = Geben Sie etwas aus dem verbundenen Konto ein, oder bitten Sie um einen neuen Link, wenn Sie das Konto wechseln möchten.
form-trouble-heading = { $connector } hat gerade Schwierigkeiten
form-trouble-lead = Ihre Eingaben können richtig sein, aber { $connector } kann sie im Moment nicht prüfen. Es wurde nichts gespeichert.
form-trouble-advice = Warten Sie ein paar Minuten und versuchen Sie es noch einmal. Dieser Link gilt weiter.
form-no-answer-heading = { $connector } war nicht zu erreichen
form-no-answer-lead = Ihre Eingaben konnten nicht geprüft werden. Es wurde nichts gespeichert.
form-no-answer-advice = Falls Sie unten einen Namen oder eine Adresse eingegeben haben, sehen Sie nach, ob sie stimmt. Sonst versuchen Sie es in ein paar Minuten noch einmal.
form-nonsense-heading = { $connector } hat seltsam geantwortet
form-nonsense-lead = Ihre Eingaben konnten nicht geprüft werden, denn die Antwort war nicht zu verstehen. Es wurde nichts gespeichert.
form-nonsense-advice = Falls Sie unten einen Namen oder eine Adresse eingegeben haben, sehen Sie nach, ob sie stimmt. Sonst sagen Sie es bitte denen, die Ihnen den Link geschickt haben, und nennen Sie den Code unten.
form-unchecked-heading = Das ließ sich nicht prüfen
form-unchecked-lead = Etwas ging schief, bevor { $connector } sagen konnte, ob Ihre Eingaben gültig sind. Es wurde nichts gespeichert.
form-unchecked-advice = Versuchen Sie es noch einmal. Klappt es wieder nicht, sagen Sie es bitte denen, die Ihnen den Link geschickt haben, und nennen Sie den Code unten.

form-not-understood-title = Nicht verstanden
form-not-understood-heading = Das konnten wir nicht lesen
form-not-understood-lead = Was ankam, ist nicht das, was das Formular auf unserer Seite schickt. Es wurde nichts gespeichert, und der Link gilt weiter.
form-not-understood-advice = Öffnen Sie den Link noch einmal und füllen Sie das Formular dort aus.

form-not-from-here-title = Nicht erlaubt
form-not-from-here-heading = Dieses Formular gehört nicht zu diesem Browser
form-not-from-here-lead = Zu Ihrem Schutz gilt ein Formular nur in dem Browser, der den Link geöffnet hat, mit erlaubten Cookies und nur ein paar Minuten lang. Es wurde nichts gespeichert.
form-not-from-here-advice = Öffnen Sie den Link noch einmal und füllen Sie das Formular dort aus.

being-checked-title = Wird geprüft
being-checked-heading = Ihre Eingaben werden geprüft
being-checked-lead = Das Formular kam zweimal an. Was zuerst kam, wird noch geprüft; das dauert ein paar Sekunden.
being-checked-advice = Öffnen Sie den Link dann noch einmal. Zeigt er das Formular, wurden Ihre Eingaben nicht angenommen, und es wurde nichts gespeichert.
being-checked-back = Link noch einmal öffnen

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
    [yes] Ihr Teil bei { $connector } ist getan. { $app } bestätigt nun noch, dass Sie es waren; bis dahin wird nichts gespeichert.
   *[no] Ihr Teil bei { $connector } ist getan. Die App bestätigt nun noch, dass Sie es waren; bis dahin wird nichts gespeichert.
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

link-ended-title = Link beendet
link-ended-heading = Dieser Link endet hier
link-ended-lead = Es hat nicht geklappt, und zur Sicherheit lässt sich dieser Link nicht weiter benutzen. Es wurde nichts gespeichert.
link-ended-advice = Bitten Sie dort um einen neuen, wo Sie diesen bekommen haben.

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
